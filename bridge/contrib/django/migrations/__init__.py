"""The ``bridge_*`` tables, also run by ``bridge migrate``."""
