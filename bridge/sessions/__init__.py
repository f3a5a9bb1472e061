"""What Django's sessions hang on the password column. Pure: Django's own primitives, with explicit keys."""
