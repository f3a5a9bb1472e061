"""Straight to an endpoint: what FastAPI finds out with each request is found out once a route."""
