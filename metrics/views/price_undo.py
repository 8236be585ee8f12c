"""The offer to undo the change of one price, as the session keeps it."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from metrics.commands.rates import IncomingRate
from metrics.models import Rate
from orgs.web.edits import offer_undo, offered_undo
from orgs.web.http import OrgRequest


class PriceUndo(NamedTuple):
    """A rate that was just added, and the one that it replaced."""

    rate: IncomingRate
    previous: IncomingRate | None


def offer_price_undo(
    request: OrgRequest, subject: str, rate: IncomingRate, replaced: Rate | None
) -> None:
    """Keep a change for some seconds, so that this person can undo it."""
    previous = None if replaced is None else asdict(_incoming(replaced))
    offer_undo(request, subject, {"rate": asdict(rate), "previous": previous}, {})


def offered_price_undo(request: OrgRequest, subject: str) -> PriceUndo | None:
    """Return the change of a price that can be undone, or None."""
    undo = offered_undo(request, subject)
    if undo is None:
        return None
    previous = undo.before["previous"]
    return PriceUndo(_read(undo.before["rate"]), previous and _read(previous))


def _incoming(rate: Rate) -> IncomingRate:
    return IncomingRate(
        product=rate.product,
        meter=rate.meter,
        unit_price=rate.unit_price,
        benchmark_unit_price=rate.benchmark_unit_price,
        effective_from=rate.effective_from,
        organization_id=rate.organization_id,
        unit=rate.unit,
    )


def _read(values: dict[str, Any]) -> IncomingRate:
    price, start = values["unit_price"], values["effective_from"]
    return IncomingRate(
        product=values["product"],
        meter=values["meter"],
        unit_price=None if price is None else Decimal(price),
        benchmark_unit_price=Decimal(values["benchmark_unit_price"]),
        effective_from=None if start is None else datetime.fromisoformat(start),
        organization_id=values["organization_id"],
        unit=values["unit"],
    )
