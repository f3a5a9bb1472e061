"""The shop's pages."""

from django.contrib.auth import views as auth_views
from django.urls import path

from legacy_django.shop import views

urlpatterns = [
    path("", views.products, name="products"),
    path("orders/", views.orders, name="orders"),
    path("whoami/", views.whoami, name="whoami"),
    path("whoami/async/", views.WhoAmIAsync.as_view(), name="whoami-async"),
    path("accounts/profile/", views.profile, name="profile"),
    path("accounts/login/", auth_views.LoginView.as_view(template_name="shop/login.html"), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    # Templates by name: the admin ships its own pages under `registration/` and would win.
    path(
        "accounts/password_change/",
        auth_views.PasswordChangeView.as_view(template_name="shop/password_change.html"),
        name="password_change",
    ),
    path(
        "accounts/password_change/done/",
        auth_views.PasswordChangeDoneView.as_view(template_name="shop/password_change_done.html"),
        name="password_change_done",
    ),
]
