"""fastapi-users as its documentation has it: SQLAlchemy with asyncpg, the JWT strategy, a live user."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, IntegerIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTable, SQLAlchemyUserDatabase
from sqlalchemy import DateTime, String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.peers.body import Profile

__all__ = ["app"]

_SECRET = os.environ["BENCH_SECRET"]


class _Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTable[int], _Base):
    """The library's columns, and those of Django's that the body has."""

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150))
    first_name: Mapped[str] = mapped_column(String(150))
    last_name: Mapped[str] = mapped_column(String(150))
    is_staff: Mapped[bool]
    date_joined: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_login: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class _Manager(IntegerIDMixin, BaseUserManager[User, int]):
    reset_password_token_secret = _SECRET
    verification_token_secret = _SECRET


_engine = create_async_engine(os.environ["BENCH_ASYNCPG_URL"])
_sessions = async_sessionmaker(_engine, expire_on_commit=False)


async def _session() -> AsyncIterator[AsyncSession]:
    async with _sessions() as session:
        yield session


async def _database(session: Annotated[AsyncSession, Depends(_session)]) -> AsyncIterator[Any]:
    yield SQLAlchemyUserDatabase(session, User)


async def _manager(database: Annotated[Any, Depends(_database)]) -> AsyncIterator[_Manager]:
    yield _Manager(database)


def _strategy() -> JWTStrategy[User, int]:
    return JWTStrategy(secret=_SECRET, lifetime_seconds=3600)


_backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=_strategy
)
_current_active_user = FastAPIUsers[User, int](_manager, [_backend]).current_user(active=True)

app = FastAPI()


@app.get("/users/me/")
async def show_me(user: Annotated[User, Depends(_current_active_user)]) -> Profile:
    """Show the user who is asking."""
    return Profile(
        id=user.id,
        username=user.username,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        full_name=f"{user.first_name} {user.last_name}".strip(),
        disabled=not user.is_active,
        is_active=user.is_active,
        is_staff=user.is_staff,
        is_superuser=user.is_superuser,
        date_joined=user.date_joined,
        last_login=user.last_login,
    )
