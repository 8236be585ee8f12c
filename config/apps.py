"""The wiring app: Celery is made current, and roles follow the models after a migrate."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401  makes the app current for shared tasks


class OrgdeskAdminConfig(AdminConfig):
    default_site = "config.adminsite.OrgdeskAdminSite"
