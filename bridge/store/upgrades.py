"""Who was upgraded, by which app and from what (table ``bridge_password_upgrade``, which Django writes as well)."""

from datetime import datetime

from bridge.store.database import Executor

__all__ = ["Upgrades"]

_APP = "bridge"


class Upgrades:
    """Remembers upgrades, so that a value which is old again can be told from one that always was."""

    async def known(self, user_id: str, *, executor: Executor) -> bool:
        """Tell whether this user was upgraded before."""
        row = await executor.fetch_one(
            "SELECT 1 AS one FROM bridge_password_upgrade WHERE user_id = :user_id", {"user_id": user_id}
        )
        return row is not None

    async def record(self, *, user_id: str, old_algorithm: str, now: datetime, executor: Executor) -> None:
        """Note an upgrade in its own transaction."""
        await executor.execute(
            "INSERT INTO bridge_password_upgrade (user_id, app, old_algorithm, upgraded_at)"
            " VALUES (:user_id, :app, :old_algorithm, :now) ON CONFLICT (user_id) DO UPDATE"
            " SET app = excluded.app, old_algorithm = excluded.old_algorithm, upgraded_at = excluded.upgraded_at",
            {"user_id": user_id, "app": _APP, "old_algorithm": old_algorithm, "now": now},
        )

    async def forget(self, user_id: str, *, executor: Executor) -> None:
        """Take an upgrade back, because its old value was restored."""
        await executor.execute("DELETE FROM bridge_password_upgrade WHERE user_id = :user_id", {"user_id": user_id})
