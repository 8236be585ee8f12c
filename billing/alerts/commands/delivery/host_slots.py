"""Slots that limit how many workers use the mail host."""

from contextlib import AbstractContextManager

from django.conf import settings

from orgs.queue.slots import slot


def host_slot() -> AbstractContextManager[bool]:
    """Occupy one of `EMAIL_CONCURRENCY` slots; the context is false without one."""
    return slot("email_slot", settings.EMAIL_CONCURRENCY)
