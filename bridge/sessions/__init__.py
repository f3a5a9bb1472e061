"""Django's sessions: what they say, what they hang on, and which requests they may back.

Pure: Django's own primitives, with explicit keys and settings.
"""
