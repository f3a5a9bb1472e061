"""A view of every kind under a path of its name, and paths of every kind."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path, re_path, register_converter
from django.utils.translation import gettext_lazy
from rest_framework.routers import DefaultRouter

from tests.site.inventory_views import API, CLASSES, FUNCTIONS, Groups, plain


class EvenConverter:
    """Numbers with an even last digit."""

    regex = r"\d*[02468]"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(EvenConverter, "even")

router = DefaultRouter()
router.register("teams", Groups, basename="team")

ITEMS = [path("", plain, name="items"), path("<int:item>/", plain, name="item")]
OLD = [
    re_path(r"^$", plain, name="old"),
    re_path(r"^(?P<year>[0-9]{4})/$", plain, name="old_year"),
    re_path(r"^(\d+)-(\d+)/$", plain, name="old_positional"),
    re_path(r"^page(?:/(?P<page>\d+))?/?$", plain, name="old_optional"),
    re_path(r"^(?:first|second)/$", plain, name="old_choice"),
    re_path(r"anywhere/", plain, name="old_anywhere"),
    re_path(r"^open", plain, name="old_open_ended"),
    re_path(r"^a/$|^b/$", plain, name="old_two_anchors"),
    re_path(r"^(?P<twice>\w)(?P=twice)/$", plain, name="old_backreference"),
    re_path(r"^(?:[\w-]+/)+end$", plain, name="old_repeated_repetition"),
]

urlpatterns = [
    *(path(f"views/{name}/", view, name=name) for name, view in (FUNCTIONS | CLASSES | API).items()),
    path("orders/<int:order>/items/", include((ITEMS, "items"))),
    path("users/<slug:item>/<int:order>/", include((ITEMS, "items"), namespace="of-user")),
    path("even/<even:number>/", plain, name="even"),
    path("files/<path:name>", plain, name="file"),
    path("tree/<path:above>/", include([path("leaf/", plain, name="leaf")])),
    path("three/<path:one>/<path:two>/<path:three>/", plain, name="three_wildcards"),
    path("ids/<uuid:id>.json", plain, name="uuid"),
    path("nameless/", plain),
    re_path(r"^old/", include(OLD)),
    re_path(r"^shops/(?P<shop>\w+)/", include([path("<str:shop>/", plain, name="same-name-twice")])),
    path("api/", include(router.urls)),
    path("admin/", admin.site.urls),
    path("admin-view/", admin.site.admin_view(plain), name="admin-view"),
    *i18n_patterns(path("greeting/", plain, name="greeting"), prefix_default_language=False),
    *i18n_patterns(path("always/", plain, name="always")),
    path(gettext_lazy("translated/"), plain, name="translated"),
    re_path(r"^(?P<rest>.*)\.html$", plain, name="catch-all"),
]
