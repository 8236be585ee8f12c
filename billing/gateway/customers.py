"""Customers of the Stripe account."""

from collections.abc import Mapping
from datetime import datetime

from billing.gateway import calls
from billing.gateway.nodes import Node
from billing.gateway.objects import Customer, Page


def get_customer(id_: str) -> Customer:
    """Return a customer; Stripe returns a deleted one with `is_deleted` set."""
    with calls.object_of(id_):
        return _read(calls.get(calls.object_path("customers", id_)))


def list_customers(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    email: str = "",
    limit: int = 100,
) -> Page[Customer]:
    """Return a page of customers, newest first; `email` is matched with its case."""
    return calls.page(
        "/v1/customers",
        Customer.read,
        email=email or None,
        **calls.list_parameters(after=after, since=since, until=until, limit=limit),
    )


def create_customer(
    *, name: str, email: str, metadata: Mapping[str, str], key: str
) -> Customer:
    """Create a customer, once per idempotency key."""
    params = {"name": name, "email": email or None, "metadata": dict(metadata)}
    return _read(calls.post("/v1/customers", key=key, **params))


def update_customer(
    id_: str,
    *,
    key: str,
    name: str | None = None,
    email: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Customer:
    """Change the fields that are not null; Stripe merges metadata with the present."""
    params = {"name": name, "email": email, "metadata": dict(metadata or {})}
    return _read(calls.post(calls.object_path("customers", id_), key=key, **params))


def _read(answer: Node) -> Customer:
    return Customer.read(answer.as_kind("customer"))
