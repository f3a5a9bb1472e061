"""What the site answers: the inventory of its URLs."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import LegacyEndpoint

__all__ = ["LONGEST_TEXT", "MOST_ENDPOINTS", "LegacyEndpoint", "UrlInventory"]

MOST_ENDPOINTS: Final = 5000
LONGEST_TEXT: Final = 1000
"""Of an expression, in characters; the others are shorter."""

_SETS: Final = ("permissions", "groups", "scopes")
_ANYBODY: Final = Demands()


@dataclass(frozen=True, slots=True)
class UrlInventory:
    """The site's endpoints, in the order in which Django looks through them.

    Attributes:
        endpoints: of them.
        shortcoming: why some, or all, are not listed; "" where nothing is missing.
    """

    endpoints: tuple[LegacyEndpoint, ...] = ()
    shortcoming: str = ""

    def to_document(self) -> dict[str, Any]:
        """Give the JSON form; a site may have thousands of them, so that what is not said is what is most common."""
        return {
            "endpoints": [_endpoint_document(each) for each in self.endpoints],
            # Beside the endpoints, by position: a version that knows no actions refuses an endpoint that says any.
            "actions": {str(place): list(each.actions) for place, each in enumerate(self.endpoints) if each.actions},
            "shortcoming": self.shortcoming,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises:
            KeyError: it is larger than any site's.
        """
        endpoints, actions = document["endpoints"], document.get("actions", {})
        if len(endpoints) > MOST_ENDPOINTS:
            raise KeyError("endpoints")
        return cls(
            tuple(_endpoint(each, actions.get(str(place), ())) for place, each in enumerate(endpoints)),
            shortcoming=document["shortcoming"],
        )


def _endpoint_document(endpoint: LegacyEndpoint) -> dict[str, Any]:
    demands = {
        name: sorted(value) if name in _SETS else value
        for name, value in asdict(endpoint.demands).items()
        if value != getattr(_ANYBODY, name)
    }
    document: dict[str, Any] = {
        "methods": list(endpoint.methods),
        "template": endpoint.template,
        "regex": endpoint.regex,
        "name": endpoint.name,
        "view": endpoint.view,
        "kind": endpoint.kind,
    }
    return (
        document | ({"demands": demands} if demands else {}) | ({"csrf_exempt": True} if endpoint.csrf_exempt else {})
    )


def _endpoint(document: Mapping[str, Any], actions: Iterable[str]) -> LegacyEndpoint:
    if not len(document["template"]) <= LONGEST_TEXT >= len(document["regex"]):
        raise KeyError("template")
    said = document.get("demands")
    demands = _demands(said) if said else _ANYBODY  # many replicas read thousands of them every few seconds
    methods = tuple(document["methods"])
    return LegacyEndpoint(**{**document, "methods": methods, "demands": demands, "actions": tuple(actions)})


def _demands(document: Mapping[str, Any]) -> Demands:
    kinds = {**dict.fromkeys(_SETS, frozenset), "unknown": tuple}
    return Demands(**{name: kinds[name](value) if name in kinds else value for name, value in document.items()})
