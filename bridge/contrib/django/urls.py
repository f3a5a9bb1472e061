"""The app's own URLs: ``path("bridge/", include("bridge.contrib.django.urls"))``."""

from django.urls import path

from bridge.contrib.django.views import session

app_name = "bridge"
urlpatterns = [path("session/", session, name="session")]
