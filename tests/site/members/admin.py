"""Members in the admin, where the shop's orders look them up."""

from django.contrib import admin

from tests.site.members.models import Member


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # it takes no type parameters at run time
    search_fields = ("email",)
