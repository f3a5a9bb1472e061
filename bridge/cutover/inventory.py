"""What either app answers, and both side by side."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bridge.cutover.demands import Demands, differences, lacking
from bridge.cutover.operations import METHODS, Operation

__all__ = ["Handler", "LegacyEndpoint", "Pair", "by_shape", "side_by_side"]


@dataclass(frozen=True, slots=True)
class LegacyEndpoint:
    """A view of the Django site under one of its paths; methods that demand different things are endpoints apart.

    Attributes:
        methods: of ``METHODS``, those that it answers; none where it says nothing of methods, and any may do.
        template: the path from the root, with each parameter as ``{name}``, the language of ``i18n_patterns`` as
            ``{language}``.
        regex: matches the paths that Django resolves to it, from their start; "" where no one expression does.
        name: the URL's, with its namespaces; "" without one.
        view: the dotted name of the function or class.
        kind: what kind of view it is.
        demands: what it declares; a view may look at ``request.user`` on its own, which nobody can tell from outside.
        csrf_exempt: as Django's middleware sees it; Django REST framework and ninja check for themselves.
        actions: of a viewset, what it calls each of ``methods``, in their order; none of other views.
    """

    methods: tuple[str, ...]
    template: str
    regex: str
    name: str
    view: str
    kind: Literal["view", "class", "drf", "ninja", "admin"]
    demands: Demands
    csrf_exempt: bool = False
    actions: tuple[str, ...] = ()

    def operations(self) -> Iterator[Operation]:
        """Give its operations; of one that says nothing of methods all that there could be."""
        return (Operation(method, self.template) for method in self.methods or METHODS)

    def action(self, method: str) -> str | None:
        """Give the viewset's action that answers a method; None of other views."""
        return dict(zip(self.methods, self.actions, strict=False)).get(method)


@dataclass(frozen=True, slots=True)
class Handler:
    """A migrated endpoint of the bridge, for one method.

    Attributes:
        operation: what it answers.
        demands: what its dependencies, and those of the routers above it, demand.
        regex: of the whole path.
        name: the endpoint's dotted name.
    """

    operation: Operation
    demands: Demands
    regex: re.Pattern[str]
    name: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An operation, and what answers it in each of the apps.

    Attributes:
        operation: by the handler's template where there is one.
        legacy: Django's endpoint.
        handler: the bridge's.
    """

    operation: Operation
    legacy: LegacyEndpoint | None = None
    handler: Handler | None = None

    @property
    def differences(self) -> tuple[str, ...]:
        """How their demands differ, in words; nothing where one of them is missing."""
        return differences(self.legacy.demands, self.handler.demands) if self.legacy and self.handler else ()

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the handler does not demand that Django does, in words."""
        return lacking(self.legacy.demands, self.handler.demands) if self.legacy and self.handler else ()


def by_shape(handlers: Iterable[Handler]) -> dict[str, Handler]:
    """Give handlers by their operation's shape; of several the first, as in routing."""
    found: dict[str, Handler] = {}
    for handler in handlers:
        found.setdefault(handler.operation.shape, handler)
    return found


def side_by_side(inventory: Iterable[LegacyEndpoint], handlers: Iterable[Handler]) -> tuple[Pair, ...]:
    """List the operations of both apps: Django's in its order, then those that only the bridge has.

    A view that says nothing of methods is listed by GET, and by whatever has a handler.
    """
    served = by_shape(handlers)
    pairs: dict[str, Pair] = {}
    for endpoint in inventory:
        for operation in endpoint.operations():
            shape, found = operation.shape, served.get(operation.shape)
            # Of two patterns for the same paths, Django takes the first.
            if shape not in pairs and (endpoint.methods or found or operation.method == "GET"):
                pairs[shape] = Pair(found.operation if found else operation, legacy=endpoint, handler=found)
    for shape, handler in served.items():
        pairs.setdefault(shape, Pair(handler.operation, handler=handler))
    return tuple(pairs.values())
