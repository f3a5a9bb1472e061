"""The daily reports in Django's admin, to read only. Loaded by the admin's autodiscovery, where the site has one."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from bridge.contrib.django.kept_report import KeptReport
from bridge.contrib.django.models import CensusSnapshot

__all__ = ["CensusSnapshotAdmin"]


@admin.register(CensusSnapshot)
class CensusSnapshotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's is no generic at run time
    """Whoever may view them sees how far the upgrade was on each day; nobody changes anything."""

    list_display = ("day", "summary")
    fields = ("day", "taken_at", "summary", "by_algorithm", "by_last_login", "forecast")
    readonly_fields = fields
    ordering = ("-day",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CensusSnapshot]":
        """Leave out what is still being counted."""
        return super().get_queryset(request).exclude(document="")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: CensusSnapshot | None = None) -> bool:  # noqa: ARG002  # likewise
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CensusSnapshot | None = None) -> bool:  # noqa: ARG002  # likewise
        """Refuse."""
        return False

    @admin.display(description="passwords")
    def summary(self, row: CensusSnapshot) -> str:
        """Say how far the upgrade was."""
        return KeptReport.of(row).summary

    @admin.display(description="by algorithm")
    def by_algorithm(self, row: CensusSnapshot) -> SafeString:
        """Show algorithm, users and share."""
        return _table(("algorithm", "users", "share"), KeptReport.of(row).algorithms)

    @admin.display(description="by last login")
    def by_last_login(self, row: CensusSnapshot) -> SafeString:
        """Show last login, usable and upgraded passwords."""
        return _table(("last login", "usable", "upgraded"), KeptReport.of(row).cohorts)

    @admin.display(description="forecast")
    def forecast(self, row: CensusSnapshot) -> SafeString | str:
        """Show when the active accounts will be done."""
        found = KeptReport.of(row).forecast
        return _table(("of active accounts", "upgraded by"), found) if found else "not enough data"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> SafeString:
    head = format_html_join("", '<th scope="col">{}</th>', ((each,) for each in heading))
    cells = (format_html_join("", "<td>{}</td>", ((each,) for each in row)) for row in rows)
    return format_html(
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>",
        head,
        format_html_join("", "<tr>{}</tr>", ((each,) for each in cells)),
    )
