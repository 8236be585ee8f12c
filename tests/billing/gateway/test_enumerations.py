"""Every value of Stripe's enumerations has a handling that is stated."""

import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from billing import enumerations
from billing.ledger.commands.invoicing import CYCLE_REASON, DRAFT_REASONS
from billing.models.adjustments import (
    AWAITING_RESPONSE,
    COUNTED_STATUSES,
    AdjustmentKind,
)
from billing.models.mirrors import (
    CollectionMethod,
    InvoiceStatus,
    SubscriptionStatus,
)
from tests import ROOT

TYPED = [
    (stripe.Subscription, "status", enumerations.SUBSCRIPTION_STATUS),
    (stripe.Subscription, "collection_method", enumerations.COLLECTION_METHOD),
    (stripe.Subscription.PauseCollection, "behavior", enumerations.PAUSE_BEHAVIOR),
    (stripe.Invoice, "status", enumerations.INVOICE_STATUS),
    (stripe.Invoice, "billing_reason", enumerations.BILLING_REASON),
    (stripe.Invoice, "collection_method", enumerations.COLLECTION_METHOD),
    (stripe.Price.Recurring, "interval", enumerations.INTERVAL),
    (stripe.Price.Recurring, "usage_type", enumerations.USAGE_TYPE),
    (stripe.CreditNote, "status", enumerations.CREDIT_NOTE_STATUS),
    (stripe.Dispute, "status", enumerations.DISPUTE_STATUS),
    (stripe.InvoicePayment.Payment, "type", enumerations.PAYMENT_TYPE),
]


def literals(hint: Any) -> Iterator[str]:
    """Yield the texts of the `Literal`s in a type of the SDK."""
    if typing.get_origin(hint) is typing.Literal:
        yield from typing.get_args(hint)
    else:
        for part in typing.get_args(hint):
            yield from literals(part)


@pytest.mark.parametrize(("kind", "field", "handled"), TYPED)
def test_every_typed_value_is_handled(
    kind: type, field: str, handled: enumerations.Handling
) -> None:
    values = set(literals(kind.__annotations__[field]))

    assert values, field
    assert values == set(handled)


def test_every_status_of_a_refund_is_handled() -> None:
    """The SDK has them in the text below its field only."""
    source = inspect.getsource(stripe.Refund)
    field = re.search(r'\n    status: [^\n]*\n    """(.*?)"""', source, re.S)
    assert field

    statuses = set(re.findall(r"`(\w+)`", field[1]))

    assert statuses == set(enumerations.REFUND_STATUS)


def test_billing_reasons_are_handled_as_they_are_described() -> None:
    handled = enumerations.BILLING_REASON.items()
    closing = [reason for reason, text in handled if re.match("Closes the p", text)]
    taking = {reason for reason, text in handled if re.search("[Tt]akes", text)}

    assert closing == [CYCLE_REASON]
    assert taking == set(DRAFT_REASONS)


def test_models_know_what_the_gateway_reads() -> None:
    known = set(SubscriptionStatus.values) | {"incomplete_expired"}

    assert known == set(enumerations.SUBSCRIPTION_STATUS)
    assert set(InvoiceStatus.values) == set(enumerations.INVOICE_STATUS)
    assert set(CollectionMethod.values) == set(enumerations.COLLECTION_METHOD)
    for kind, name in (
        (AdjustmentKind.CREDIT_NOTE, "CREDIT_NOTE_STATUS"),
        (AdjustmentKind.REFUND, "REFUND_STATUS"),
        (AdjustmentKind.DISPUTE, "DISPUTE_STATUS"),
    ):
        handled = getattr(enumerations, name)
        counted = {one for one, text in handled.items() if text.startswith("Counted")}
        assert set(COUNTED_STATUSES[kind]) == counted
    awaiting = {
        one for one, text in enumerations.DISPUTE_STATUS.items() if "action" in text
    }
    assert set(AWAITING_RESPONSE) == awaiting


def test_the_documents_show_every_handling() -> None:
    text = (ROOT / "docs" / "stripe.md").read_text()
    tables = [value for name, value in vars(enumerations).items() if name.isupper()]

    assert len(tables) > 10
    for handled in tables:
        for value, handling in handled.items():
            assert f"| `{value}` | {handling} |" in text, value
