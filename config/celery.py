"""The Celery application; its timetable is data in settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("orgdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
