"""The figures of an email as text, by the declarations of its measure."""

from collections.abc import Callable, Mapping
from typing import Any

from billing.alerts.measures import Figure, Format, Unit
from orgs.web.templatetags import display

Context = Mapping[str, Any]

AMOUNT_FORMATS: dict[Unit, Callable[[Any], str]] = {
    Unit.SECONDS: display.duration,
    Unit.BYTES: display.byte_size,
    Unit.COUNT: display.count,
}


def format_figures(
    figures: tuple[Figure, ...], context: Context
) -> list[tuple[str, str]]:
    """Return label and text of each figure that is known and applies."""
    lines = [
        (figure.label, _FORMATS[figure.format](context[figure.fact], context))
        for figure in figures
        if _applies(figure, context)
    ]
    return [(label, text) for label, text in lines if text not in ("", display.UNKNOWN)]


def _applies(figure: Figure, context: Context) -> bool:
    if figure.subject and figure.subject != context["subject"]:
        return False
    if figure.only_with and not context[figure.only_with]:
        return False
    return not (figure.only_without and context[figure.only_without])


def _multiple(value: Any) -> str:
    return f"{value}\N{MULTIPLICATION SIGN}" if value else ""


def _status(value: Any) -> str:
    return str(value or "").replace("_", " ")


_FORMATS: dict[Format, Callable[[Any, Context], str]] = {
    Format.MONEY: lambda value, context: display.money(value, context["currency"]),
    Format.DATE: lambda value, _: display.day_year(value),
    Format.INSTANT: lambda value, context: display.instant(value, context["zone"]),
    Format.COUNT: lambda value, _: display.count(value),
    Format.PERCENT: lambda value, _: display.percent(value),
    Format.MULTIPLE: lambda value, _: _multiple(value),
    Format.STATUS: lambda value, _: _status(value),
    Format.TEXT: lambda value, _: str(value),
}
