"""The walk over the resolver."""

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Final

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.translation import override

from bridge.contrib.django.describing.urls.names import LONGEST_NAME
from bridge.contrib.django.describing.urls.patterns import Place
from bridge.contrib.django.describing.urls.views import View, view_of
from bridge.profile import LegacyEndpoint, UrlInventory
from bridge.profile.urls import MOST_ENDPOINTS

__all__ = ["urls"]

_logger: Final = logging.getLogger(__name__)


def urls() -> UrlInventory:
    """List what the site answers; nothing, with the reason, where its URLconf cannot be imported."""
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return UrlInventory()  # nothing is served from here
    walk = _Walk()
    try:
        with override(settings.LANGUAGE_CODE):
            found = tuple(islice(walk.endpoints(), MOST_ENDPOINTS + 1))
    except Exception as exc:  # it is the site's own code
        _logger.warning("the site's URLs were not listed", exc_info=True)
        # Its message may quote a setting.
        return UrlInventory(shortcoming=f"its URLconf could not be read ({type(exc).__name__})")
    if len(found) > MOST_ENDPOINTS:
        return UrlInventory(found[:MOST_ENDPOINTS], f"there are more than {MOST_ENDPOINTS} endpoints")
    return UrlInventory(found, f"{walk.left_out} patterns could not be described" if walk.left_out else "")


class _Walk:
    """One pass over the resolver.

    Attributes:
        left_out: how many patterns have longer paths than an operation can name, or a view that nothing is known of.
    """

    def __init__(self) -> None:
        self.left_out = 0

    def endpoints(self) -> Iterator[LegacyEndpoint]:
        """Give them in the order in which Django tries them."""
        return self._below(get_resolver(), Place.root(), namespaces=())

    def _below(self, resolver: URLResolver, place: Place, *, namespaces: tuple[str, ...]) -> Iterator[LegacyEndpoint]:
        for entry in resolver.url_patterns:
            below = place.under(entry.pattern)
            if isinstance(entry, URLResolver):
                inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
                yield from self._below(entry, below, namespaces=inner)
            else:
                yield from self._of_pattern(entry, below, namespaces)

    def _of_pattern(self, pattern: URLPattern, place: Place, namespaces: tuple[str, ...]) -> Iterator[LegacyEndpoint]:
        try:
            view = view_of(pattern.callback)
        except Exception:  # the site's own objects, whatever they make of being looked at
            _logger.warning("a view was not described: %s", place.templates[:1], exc_info=True)
            view = None
        if view is None or not place.templates:
            self.left_out += 1
            return
        name = ":".join((*namespaces, pattern.name)) if pattern.name else ""
        for template in place.templates:
            yield from _endpoints(view, template=template, regex=place.regex, name=name)


def _endpoints(view: View, *, template: str, regex: str, name: str) -> Iterator[LegacyEndpoint]:
    for methods, demands in view.demands:
        yield LegacyEndpoint(
            methods=methods,
            template=template,
            regex=regex,
            name=name[:LONGEST_NAME],
            view=view.name,
            kind=view.kind,
            demands=demands,
            csrf_exempt=view.is_csrf_exempt,
            actions=tuple(view.actions[method] for method in methods) if view.actions else (),
        )
