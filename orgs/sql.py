"""Choices of models as parts of SQL statements, so that each value is written once."""

from collections.abc import Iterable

from django.db.models import TextChoices


def sql_list(choices: Iterable[TextChoices]) -> str:
    """Render choices as the list of an SQL `in`, as in `('open', 'paid')`.

    A single choice needs no function: `'{Status.OPEN}'` in the statement.
    """
    return "(" + ", ".join(f"'{choice.value}'" for choice in choices) + ")"
