from collections.abc import Mapping
from datetime import datetime

from billing.gateway import calls
from billing.gateway.shapes import Customer, Page


def get_customer(id_: str) -> Customer:
    """A deleted one answers with `is_deleted`."""
    return Customer.read(calls.get(calls.place("customers", id_)).named("customer"))


def list_customers(
    *,
    after: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    email: str = "",
    limit: int = 100,
) -> Page[Customer]:
    """Newest first; `email` as it is written there, in upper and lower case."""
    return calls.page(
        "/v1/customers",
        Customer.read,
        email=email or None,
        **calls.window(after=after, since=since, until=until, limit=limit),
    )


def create_customer(
    *, name: str, email: str, metadata: Mapping[str, str], key: str
) -> Customer:
    params = {"name": name, "email": email or None, "metadata": dict(metadata)}
    answer = calls.post("/v1/customers", key=key, **params)
    return Customer.read(answer.named("customer"))


def update_customer(
    id_: str,
    *,
    key: str,
    name: str | None = None,
    email: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Customer:
    """Change what is given; metadata are merged with those that are there."""
    params = {"name": name, "email": email, "metadata": dict(metadata or {})}
    answer = calls.post(calls.place("customers", id_), key=key, **params)
    return Customer.read(answer.named("customer"))
