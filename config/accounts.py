"""Accounts are made by operators: there is no sign-up."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from orgs.access.backends import UserReader


class LoginBackend(UserReader, AuthenticationBackend):  # type: ignore[misc]
    """Login by email or name; users are read as `RoleBackend` reads them."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
