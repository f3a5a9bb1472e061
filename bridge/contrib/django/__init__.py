"""The bridge's reusable Django app: put ``bridge.contrib.django`` into INSTALLED_APPS.

It owns every ``bridge_*`` table, publishes the site profile and accepts the bridge's tokens in plain views.
"""
