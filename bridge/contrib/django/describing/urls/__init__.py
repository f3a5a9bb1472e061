"""The URLs: a walk over Django's resolver. No view is called, and what cannot be told is said to be unknown."""

from bridge.contrib.django.describing.urls.walk import urls

__all__ = ["urls"]
