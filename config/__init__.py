"""Wiring: settings, URLs, API assembly, Celery, embedded servers. Imported by nobody."""
