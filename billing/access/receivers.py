"""Receivers of the signals after which access may begin or cease to be refused."""

from typing import Any

from django.utils import timezone

from billing.access.commands.refusals import record_refusals
from billing.signals import terms_changed
from orgs.signals import availability_changed


def connect() -> None:
    """Record changes of access in the transaction that makes them."""
    for signal in (terms_changed, availability_changed):
        signal.connect(_record, weak=False)


def _record(*, organization_ids: list[int], **_: Any) -> None:
    record_refusals(organization_ids, now=timezone.now())
