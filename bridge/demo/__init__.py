"""The demo site: its migrated endpoints and the scripted walk-through."""
