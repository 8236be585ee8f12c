"""Django's admin behind the login of the pages, including the second factor."""

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator


class OrgdeskAdminSite(admin.AdminSite):
    site_header = settings.SITE_NAME
    site_title = f"{settings.SITE_NAME} admin"
    index_title = "Site administration"
    enable_nav_sidebar = True

    @method_decorator(login_not_required)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Use the pages' login: the stock form knows no second factor."""
        gate = secure_admin_login(super().login)
        response: HttpResponse = gate(request, extra_context)
        return response

    def password_change(  # type: ignore[override]  # a redirect is an answer, too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Use the pages' form: the stock one does not count wrong old passwords."""
        return redirect("account_change_password")
