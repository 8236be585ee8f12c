"""Wiring: settings, URLs, API, Celery, embedded servers. No app imports it."""
