"""The HTTP endpoints of the bridge itself."""
