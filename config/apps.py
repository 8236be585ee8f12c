"""The wiring app: Celery is made current, roles follow the models after a migrate."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401  makes the app current for shared tasks

        post_migrate.connect(_fill_roles, sender=self)


class OrgdeskAdminConfig(AdminConfig):
    default_site = "config.adminsite.OrgdeskAdminSite"


def _fill_roles(*, plan: list[Any], **_: Any) -> None:
    """After the last app's permissions exist; not when migrating back."""
    from config.roles import fill_roles

    if not any(is_backwards for _, is_backwards in plan):
        fill_roles()
