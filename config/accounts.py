"""Accounts are made by operators: nobody signs up."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from orgs.access.backends import ReadsPeople


class LoginBackend(ReadsPeople, AuthenticationBackend):  # type: ignore[misc]
    """Who logs in by e-mail or name; read like everybody else."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
