"""FastAPI alone: no user, no database, the same body."""

from fastapi import FastAPI

from bench.peers.body import SOMEBODY, Profile

__all__ = ["app"]

app = FastAPI()


@app.get("/users/me/")
async def show_somebody() -> Profile:
    """Show the same user to everybody."""
    return Profile(id=1, **SOMEBODY)
