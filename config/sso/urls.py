"""The addresses of single sign-on; the provider knows the second one."""

from django.urls import path

from config.sso import views

urlpatterns = [
    path("sso/login/", views.login, name="sso_login"),
    path("sso/callback/", views.callback, name="sso_callback"),
]
