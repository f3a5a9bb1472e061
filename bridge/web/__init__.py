"""The only FastAPI."""
