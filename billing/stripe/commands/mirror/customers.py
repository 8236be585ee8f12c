"""Customers of Stripe: only their link to an organization is stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.gateway import Customer
from billing.models import BillingAccount, Discrepancy
from billing.stripe.commands.discrepancies import Difference, resolve_absent
from billing.stripe.commands.mirror.fetches import (
    FetchContext,
    Outcome,
    record_differences,
)
from billing.stripe.commands.mirror.owners import Owner, find_owners
from billing.stripe.commands.upcoming import compare_customers
from orgs.models import Organization

_ID_LIMIT = 2**63  # of PostgreSQL's bigint


class _Claim(NamedTuple):
    """Organization that a customer's metadata name, with the customer it has now."""

    organization_id: int
    white_label_id: int
    customer_id: str | None


@transaction.atomic
def mirror_customers(customers: Sequence[Customer], context: FetchContext) -> Outcome:
    """Link customers whose metadata name an organization without a customer.

    An existing link is never changed: what contradicts it becomes a warning.
    """
    ids = [customer.id for customer in customers]
    owners = find_owners(ids)
    unlinked = [customer for customer in customers if customer.id not in owners]
    claims = _find_claims(unlinked)
    links = _choose_links(unlinked, claims, context)
    differences = _list_deleted(customers, owners, context)
    for customer in unlinked:
        claim = claims.get(customer.id)
        differences += _compare_unlinked(customer, claim, links, context)
    seen = {id_: owner.organization_id for id_, owner in owners.items()}
    outcome = Outcome(seen=seen)
    outcome.discrepancy_count = record_differences(differences, ids, context)
    if context.repairs:
        compare_customers(
            {
                owners[customer.id].organization_id: customer.pricing
                for customer in customers
                if customer.id in owners
            }
        )
        outcome.written = _link(links)
        outcome.seen |= links
    outcome.unlinked_customers = set(ids) - set(outcome.seen)
    return outcome


def _find_claims(customers: Iterable[Customer]) -> dict[str, _Claim]:
    """Return the organizations that the customers' metadata name, by customer."""
    organization_ids = {
        customer.id: customer.organization_id
        for customer in customers
        if customer.organization_id is not None and customer.organization_id < _ID_LIMIT
    }
    organizations = Organization.objects.filter(
        id__in=set(organization_ids.values())
    ).annotate(customer_id=F("billing_account__stripe_id"))
    rows = organizations.values_list("id", "white_label_id", "customer_id")
    claims = {row[0]: _Claim(*row) for row in rows}
    return {
        customer_id: claims[organization_id]
        for customer_id, organization_id in organization_ids.items()
        if organization_id in claims
    }


def _choose_links(
    customers: Sequence[Customer], claims: Mapping[str, _Claim], context: FetchContext
) -> dict[str, int]:
    """Return the organizations to link, by customer.

    If two customers name the same organization, the older one is linked. Stripe lists
    customers newest first, so the last one wins.
    """
    customers_by_organization: dict[int, str] = {}
    for customer in customers:
        claim = claims.get(customer.id)
        if claim is None or claim.customer_id or customer.is_deleted:
            continue
        if not _is_of_other_run(claim, context):
            customers_by_organization[claim.organization_id] = customer.id
    return {
        id_: organization for organization, id_ in customers_by_organization.items()
    }


def _list_deleted(
    customers: Iterable[Customer], owners: Mapping[str, Owner], context: FetchContext
) -> list[Difference]:
    """Return a warning for each linked customer that was deleted in Stripe."""
    return [
        deleted_customer(customer.id, owners[customer.id], context)
        for customer in customers
        if customer.is_deleted and customer.id in owners
    ]


def deleted_customer(
    customer_id: str, owner: Owner, context: FetchContext
) -> Difference:
    """Return the warning that a linked customer no longer exists in Stripe.

    A person decides whether the organization gets another customer.
    """
    return Difference(
        Discrepancy.Kind.NO_CUSTOMER,
        customer_id,
        orgdesk_value="linked",
        stripe_value="not in Stripe",
        stripe_read_at=context.at,
        organization_id=owner.organization_id,
        white_label_id=owner.white_label_id,
    )


@transaction.atomic
def unlink_customer(customer_id: str, *, by: str) -> None:
    """Remove the link of a customer and resolve the warnings about it."""
    BillingAccount.objects.filter(stripe_id=customer_id).update(stripe_id=None)
    resolve_absent([customer_id], remaining=(), at=timezone.now(), by=by)


def _compare_unlinked(
    customer: Customer,
    claim: _Claim | None,
    links: Mapping[str, int],
    context: FetchContext,
) -> list[Difference]:
    """Return how a customer without a link differs: at most one difference."""
    if customer.is_deleted:
        return []
    if customer.id in links and claim is not None:
        return [_missing_link(customer, claim, context)] if context.records_new else []
    is_free = claim is not None and not claim.customer_id
    if claim is not None and is_free and _is_of_other_run(claim, context):
        return []  # the run of that white label will link it
    return [_unlinked_customer(customer, claim, context)]


def _is_of_other_run(claim: _Claim, context: FetchContext) -> bool:
    """Return whether the organization is outside the white label of this run."""
    return context.white_label_id not in (None, claim.white_label_id)


def _missing_link(
    customer: Customer, claim: _Claim, context: FetchContext
) -> Difference:
    return Difference(
        Discrepancy.Kind.CUSTOMER,
        customer.id,
        orgdesk_value="",
        stripe_value=customer.id,
        stripe_read_at=context.at,
        organization_id=claim.organization_id,
        white_label_id=claim.white_label_id,
    )


def _unlinked_customer(
    customer: Customer, claim: _Claim | None, context: FetchContext
) -> Difference:
    """Return the warning for an unlinked customer.

    It is shown to the white label of the organization that the metadata name, or, if
    they name none, only to those who see all white labels.
    """
    return Difference(
        Discrepancy.Kind.NO_ORGANIZATION,
        customer.id,
        orgdesk_value=f"organization already has {claim.customer_id}" if claim else "",
        stripe_value=customer.email or customer.name,
        stripe_read_at=context.at,
        organization_id=claim.organization_id if claim else None,
        white_label_id=claim.white_label_id if claim else None,
    )


def _link(links: Mapping[str, int]) -> int:
    """Link customers to organizations that still have none; return how many."""
    if not links:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_LINK, [list(links.values()), list(links)])
        return int(cursor.rowcount)


# One statement for all links. The condition is checked under the row's lock, so a link
# that another transaction made in the meantime stays.
_LINK = """
insert into billing_billingaccount as a (organization_id, stripe_id, free_balance)
select * , 0 from unnest(%s::bigint[], %s::text[])
on conflict (organization_id) do update set stripe_id = excluded.stripe_id
where a.stripe_id is null
"""
