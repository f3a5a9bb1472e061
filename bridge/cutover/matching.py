"""Which operation a request is, found by its method and its path as the app that answers would find it.

A few thousand answers are remembered, so that what is asked for often costs a look into a dictionary. What is not costs
a pass over the routes that begin with the same literal segments, or with none.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, TypeVar

from bridge.cutover.inventory import Handler, LegacyEndpoint
from bridge.cutover.operations import METHODS, is_narrower

__all__ = ["LONGEST_PATH", "LegacyTable", "OperationTable", "OwnPaths"]

LONGEST_PATH: Final = 1024
"""In characters; longer paths are not remembered, nor put to the site's own expressions, which may take for ever."""

_FOUND: Final = {**{method: method for method in METHODS}, "HEAD": "GET"}
_REMEMBERED: Final = 4096
_LITERALS: Final = re.compile(r"(?:(?:[\w/~-]|\\[^\w\s])(?![?*+{]))*")
_ESCAPE: Final = re.compile(r"\\(.)")

_Found = TypeVar("_Found")
_Route = tuple[str, Callable[[str], object], _Found]  # how its paths begin, whether one is its, and what it leads to


class _Routes(Generic[_Found]):
    """Routes in order, indexed by their first literal segments: none, one or two."""

    def __init__(self, routes: Iterable[_Route[_Found]]) -> None:
        keyed = [("/".join(route[0].split("/")[:-1][:3]), route) for route in routes]
        self._by_segments: dict[str, list[_Route[_Found]]] = {segments: [] for segments, _ in [*keyed, ("", None)]}
        under = defaultdict[str, list[list[_Route[_Found]]]](list)
        for segments, found in self._by_segments.items():
            for above in {segments, segments.rpartition("/")[0], ""}:
                under[above].append(found)
        for segments, route in keyed:
            for found in under[segments]:
                found.append(route)

    def first(self, path: str) -> _Found | None:
        """Give what the first of them leads to that matches; None where none does."""
        segments = path.split("/", 3)
        known = self._by_segments
        routes = known.get("/".join(segments[:3])) or known.get("/".join(segments[:2])) or known[""]
        for prefix, matches, found in routes:
            if path.startswith(prefix) and matches(path):
                return found
        return None


class OperationTable:
    """The bridge's handlers, matched as Starlette's router does: the first whose path and method fit."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        routes: dict[str, list[_Route[Handler]]] = {method: [] for method in METHODS}
        for handler in handlers:
            prefix = handler.operation.template.partition("{")[0]
            routes[handler.operation.method].append((prefix, handler.regex.fullmatch, handler))
        self._routes = {method: _Routes(found) for method, found in routes.items()}
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._look)

    def find(self, method: str, path: str) -> Handler | None:
        """Give the handler of a request, and for HEAD that of GET; None where there is none.

        Args:
            method: in capital letters.
            path: without its percent-encoding, as in an ASGI scope.
        """
        if method not in _FOUND:
            return None
        return (self._remembered if len(path) <= LONGEST_PATH else self._look)(method, path)

    def _look(self, method: str, path: str) -> Handler | None:
        return self._routes[_FOUND[method]].first(path)


class OwnPaths:
    """The paths that the bridge answers itself, whatever has moved and by whatever method."""

    def __init__(self, patterns: Iterable[re.Pattern[str]]) -> None:
        self._patterns = tuple(patterns)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._look)

    def __contains__(self, path: str) -> bool:
        return (self._remembered if len(path) <= LONGEST_PATH else self._look)(path)

    def _look(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self._patterns)


@dataclass(frozen=True, slots=True)
class _View:
    """What one of the site's patterns leads to: shapes by method, and templates; optional parts make several."""

    shapes: dict[str, str] = field(default_factory=dict)
    templates: set[str] = field(default_factory=set)


class LegacyTable:
    """The site's endpoints, matched as Django's resolver does: the path decides, and the method only after it."""

    def __init__(self, inventory: Iterable[LegacyEndpoint]) -> None:
        by_pattern: dict[tuple[str, str, str], _View] = {}
        for endpoint in inventory:
            if endpoint.regex:
                # Methods that demand different things are endpoints apart, and so are templates of optional parts.
                view = by_pattern.setdefault((endpoint.regex, endpoint.view, endpoint.name), _View())
                view.templates.add(endpoint.template)
                for operation in endpoint.operations():
                    view.shapes.setdefault(operation.method, operation.shape)
        self._routes = _Routes(route for (regex, *_), view in by_pattern.items() for route in _routes(regex, view))
        self._templates = frozenset(template for view in by_pattern.values() for template in view.templates)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._routes.first)
        self._any_narrower = lru_cache(maxsize=_REMEMBERED)(self._look_for_narrower)

    def find(self, method: str, path: str) -> str | None:
        """Give the shape of the operation that Django would answer; None where it would not, or that cannot be told.

        Args:
            method: in capital letters; HEAD is the operation of GET.
            path: without its percent-encoding, as in an ASGI scope.
        """
        view = self._view(path)
        return None if view is None or method not in _FOUND else view.shapes.get(_FOUND[method])

    def has_narrower(self, path: str, *, than: str) -> bool:
        """Tell whether Django has a template of its own for a path that a wider one would take as well.

        Of a path that is too long to be told, any narrower template may be its own: padding leads past no view.

        Args:
            path: without its percent-encoding, as in an ASGI scope.
            than: a template that it fits.
        """
        if len(path) > LONGEST_PATH:
            return self._any_narrower(than)
        view = self._view(path)
        return view is not None and all(is_narrower(each, than) for each in view.templates)

    def _look_for_narrower(self, than: str) -> bool:
        return any(is_narrower(each, than) for each in self._templates)

    def _view(self, path: str) -> _View | None:
        return self._remembered(path) if len(path) <= LONGEST_PATH else None


def _routes(regex: str, view: _View) -> Iterator[_Route[_View]]:
    literals = _LITERALS.match(regex)
    try:
        yield _ESCAPE.sub(r"\1", literals[0] if literals else ""), re.compile(regex).match, view
    except (re.error, OverflowError, RecursionError):
        return  # the site's Python knows expressions that this one does not
