"""Command that decides about a charge and resolves the discrepancy of its invoice."""

from django.db import transaction
from django.utils import timezone

from billing.ledger.commands.decisions import decide
from billing.models import ChargeDecision
from billing.stripe.commands.mirror.charge_lines import compare_charges
from billing.stripe.commands.mirror.fetches import FetchContext


@transaction.atomic
def decide_charge(
    charge_id: int, kind: str, *, note: str, by: str, key: str
) -> ChargeDecision:
    """Decide about what a charge's invoice lost, once per key; return the decision.

    The discrepancy of the invoice is resolved if nothing is left of it. Raises what
    `decide` raises.
    """
    decision = decide(charge_id, kind, note=note, by=by, key=key)
    context = FetchContext(timezone.now(), by)
    compare_charges({decision.charge.invoice_stripe_id}, context)
    return decision
