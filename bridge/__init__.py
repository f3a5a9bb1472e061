"""Django migration bridge: two apps, one ``auth_user`` table."""

__version__ = "0.1.0"
