"""The wiring app: Celery is made current, roles follow the models after a migrate."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.core import checks
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import (
            celery,  # noqa: F401  makes the app current for shared tasks
            security_events,
        )
        from config.postgresql.checks import check_database_role
        from config.production import require_safe_start
        from config.two_factor import receivers

        receivers.connect()
        security_events.connect()
        post_migrate.connect(_fill_roles)
        checks.register(check_database_role, checks.Tags.database)
        require_safe_start()


class OrgdeskAdminConfig(AdminConfig):
    default_site = "config.adminsite.OrgdeskAdminSite"


def _fill_roles(
    *, app_config: AppConfig, plan: Sequence[tuple[Any, bool]] = (), **_: Any
) -> None:
    """Fill the roles after the last app was migrated, and protect the history.

    All permissions and tables exist then.

    Not when migrating back.

    Apps without models, as this one, are not signalled; a flush has no plan.
    """
    from config.postgresql.roles import protect
    from config.roles import fill_roles

    last = [config for config in apps.get_app_configs() if config.models_module][-1]
    if app_config is last and not any(is_backwards for _, is_backwards in plan):
        fill_roles()
        protect()
