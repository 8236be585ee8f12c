"""Customers: nothing of them is kept but whose they are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.gateway import Customer
from billing.models import BillingAccount, Discrepancy
from billing.stripe.commands.discrepancies import Difference, close
from billing.stripe.commands.mirror.fetches import Fetch, Outcome, note
from billing.stripe.commands.mirror.owners import Owner, owners_of
from orgs.models import Organization


class _Claim(NamedTuple):
    """The organization that a customer's metadata name, and the customer it has."""

    organization_id: int
    white_label_id: int
    customer_id: str | None


@transaction.atomic
def mirror_customers(customers: Sequence[Customer], fetch: Fetch) -> Outcome:
    """Link those whose metadata name an organization that has no customer yet.

    A link that exists is never moved: what contradicts it is a warning.
    """
    owners = owners_of([one.id for one in customers])
    strangers = [one for one in customers if one.id not in owners]
    claims = _claims(strangers)
    links = _links(strangers, claims, fetch)
    found = [*_of_owned(customers, owners, fetch)]
    for one in strangers:
        found += _of_stranger(one, claims.get(one.id), links, fetch)
    outcome = Outcome(met={id_: owner.organization_id for id_, owner in owners.items()})
    outcome.discrepancy_count = note(found, [one.id for one in customers], fetch)
    if fetch.repairs:
        outcome.written = _link(links)
        outcome.met |= links
    outcome.strangers = {one.id for one in customers} - set(outcome.met)
    return outcome


def _claims(customers: Iterable[Customer]) -> dict[str, _Claim]:
    named = {
        one.id: one.organization_id
        for one in customers
        if one.organization_id is not None and one.organization_id < 2**63
    }
    known = Organization.objects.filter(id__in=set(named.values())).annotate(
        customer_id=F("billing_account__stripe_id")
    )
    rows = known.values_list("id", "white_label_id", "customer_id")
    claims = {row[0]: _Claim(*row) for row in rows}
    return {
        id_: claims[named_id] for id_, named_id in named.items() if named_id in claims
    }


def _links(
    customers: Sequence[Customer], claims: Mapping[str, _Claim], fetch: Fetch
) -> dict[str, int]:
    """Organizations by customer: of two that name the same one, the older has it."""
    taken: dict[int, str] = {}
    for one in customers:  # newest first, as Stripe lists them
        claim = claims.get(one.id)
        if claim is None or claim.customer_id or one.is_deleted:
            continue
        if not _is_elsewhere(claim, fetch):
            taken[claim.organization_id] = one.id
    return {customer_id: id_ for id_, customer_id in taken.items()}


def _of_owned(
    customers: Iterable[Customer], owners: Mapping[str, Owner], fetch: Fetch
) -> list[Difference]:
    deleted = (one.id for one in customers if one.is_deleted and one.id in owners)
    return [gone_customer(id_, owners[id_], fetch) for id_ in deleted]


def gone_customer(customer_id: str, owner: Owner, fetch: Fetch) -> Difference:
    """Stripe has it no more; whether the organization gets another, people decide."""
    return Difference(
        Discrepancy.Kind.NO_CUSTOMER,
        customer_id,
        ours="linked",
        theirs="not in Stripe",
        theirs_at=fetch.at,
        organization_id=owner.organization_id,
        white_label_id=owner.white_label_id,
    )


@transaction.atomic
def unlink_customer(customer_id: str, *, by: str) -> None:
    """Whoever has it has none; that there is none any more, nobody is warned of."""
    BillingAccount.objects.filter(stripe_id=customer_id).update(stripe_id=None)
    close([customer_id], but=(), at=timezone.now(), by=by)


def _of_stranger(
    customer: Customer, claim: _Claim | None, links: Mapping[str, int], fetch: Fetch
) -> list[Difference]:
    if customer.is_deleted:
        return []
    if customer.id in links and claim is not None:
        link = Difference(
            Discrepancy.Kind.CUSTOMER,
            customer.id,
            ours="",
            theirs=customer.id,
            theirs_at=fetch.at,
            organization_id=claim.organization_id,
            white_label_id=claim.white_label_id,
        )
        return [link] if fetch.records_new else []
    if claim is not None and not claim.customer_id and _is_elsewhere(claim, fetch):
        return []  # that white label's own run links it
    return [_of_nobody(customer, claim, fetch)]


def _is_elsewhere(claim: _Claim, fetch: Fetch) -> bool:
    return fetch.white_label_id not in (None, claim.white_label_id)


def _of_nobody(customer: Customer, claim: _Claim | None, fetch: Fetch) -> Difference:
    """Shown to the white label it names, where it names one."""
    return Difference(
        Discrepancy.Kind.NO_ORGANIZATION,
        customer.id,
        ours=f"organization already has {claim.customer_id}" if claim else "",
        theirs=customer.email or customer.name,
        theirs_at=fetch.at,
        organization_id=claim.organization_id if claim else None,
        white_label_id=claim.white_label_id if claim else None,
    )


def _link(links: Mapping[str, int]) -> int:
    """Only where there is no customer still; answers how many."""
    if not links:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_LINK, [list(links.values()), list(links)])
        return int(cursor.rowcount)


_LINK = """
insert into billing_billingaccount as a (organization_id, stripe_id, free_balance)
select * , 0 from unnest(%s::bigint[], %s::text[])
on conflict (organization_id) do update set stripe_id = excluded.stripe_id
where a.stripe_id is null
"""
