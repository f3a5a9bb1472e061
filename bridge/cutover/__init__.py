"""How an endpoint moves from Django to the bridge, and back. Pure."""
