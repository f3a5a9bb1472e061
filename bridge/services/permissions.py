"""What a user may do, where an endpoint finds out only while it runs what to ask for."""

from bridge.store.identities import Identities
from bridge.store.rights import Rights, is_permission
from bridge.store.text import is_storable
from bridge.store.users import StoredUser

__all__ = ["Permissions"]


class Permissions:
    """Looks up permissions and groups live, one statement a call."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def of(self, user: StoredUser, *names: str) -> frozenset[str]:
        """Give those of the permissions that the user holds (``user.has_perm``).

        Superusers hold whatever is named; anybody else does not hold what is no ``app_label.codename``. Hence a name
        may be made of what a client sent.

        Raises:
            DatabaseUnavailable: Django's tables cannot be read.
        """
        if not user.is_active:
            return frozenset()
        if user.is_superuser:
            return frozenset(names)
        asked = Rights(permissions=frozenset(filter(is_permission, names)))
        return (await self._identities.held(user, asked)).permissions if asked.permissions else frozenset()

    async def groups_of(self, user: StoredUser, *names: str) -> frozenset[str]:
        """Give those of the groups that the user is in; superusers, too, are only where they were put.

        Raises:
            DatabaseUnavailable: Django's tables cannot be read.
        """
        asked = Rights(groups=frozenset(name for name in names if name and is_storable(name)))
        return (await self._identities.held(user, asked)).groups if user.is_active and asked.groups else frozenset()

    async def held(self, user: StoredUser, asked: Rights) -> Rights:
        """Give what the user holds of all that is asked.

        Raises:
            DatabaseUnavailable: Django's tables cannot be read.
        """
        return await self._identities.held(user, asked)
