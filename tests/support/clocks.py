"""The clock of PostgreSQL in tests: the one that the test has stopped."""

from typing import Any

from django.db.models import DateTimeField, Value
from django.utils import timezone

from orgs.models.work import DatabaseClock

real_clock = DatabaseClock.as_postgresql


def follow_python() -> None:
    """Make leases begin and end by Python's clock, which a test can stop and move."""

    def as_postgresql(_: DatabaseClock, compiler: Any, *__: Any, **___: Any) -> Any:
        return compiler.compile(Value(timezone.now(), DateTimeField()))

    DatabaseClock.as_postgresql = as_postgresql  # type: ignore[method-assign, assignment]
