"""ASGI middleware in front of all routes: what every request loses, and every answer gets."""
