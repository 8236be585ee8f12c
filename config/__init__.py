"""Wiring: settings, URLs, API, Celery, embedded servers. Imported by nobody."""
