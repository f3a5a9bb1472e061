"""The dashboard at ``/migration/``: pages for staff, drawn on the server, that need no other host and no script."""

from bridge.web.dashboard.routes import router

__all__ = ["router"]
