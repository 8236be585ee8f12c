"""The Celery application; its schedule is data in settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Packages with a `tasks` module; a subject of an app is not found by itself.
_PACKAGES = (
    "billing.alerts",
    "billing.forecast",
    "billing.ledger",
    "billing.needs_action",
    "billing.stripe",
    "config.dev.demo",
    "metrics",
    "orgs",
)
app = Celery("orgdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(_PACKAGES)
