"""Fill a fake Stripe, list it by the SDK, then sync it twice.

    python -m bench.syncing STATE_FOLDER CUSTOMERS

Prints the seconds of each as JSON. Each customer belongs to an organization and has a
subscription of three items and two invoices with a line for each.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import django

_KEY = "sk_test_bench"
_DAY = 86_400
_BATCH_SIZE = 1_000
_PRICES = (
    ("price_7", "prod_7", 2900, "licensed"),
    ("price_8", "prod_8", 1100, "licensed"),
    ("price_9", "prod_7", 0, "metered"),
)
Json = dict[str, Any]


def main() -> None:
    # Imported now, so that the third of a second it takes is not part of the listing.
    import stripe  # noqa: F401

    folder, customers = Path(sys.argv[1]), int(sys.argv[2])
    with _fake_stripe(folder / "bench-stripe.sqlite") as url:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STRIPE_SECRET_KEY": _KEY,
            "STRIPE_API_BASE": url,
        }
        django.setup()
        _fill(url, _organizations(customers))
        seconds = {"sdk": _timed(lambda: _list(url))}
        seconds |= {name: _timed(_sync) for name in ("first", "again")}
        _check(customers)
    print(json.dumps(seconds))


@contextmanager
def _fake_stripe(state: Path) -> Iterator[str]:
    state.unlink(missing_ok=True)
    command = [sys.executable, "-m", "config.dev.fakestripe", "--open"]
    command += ["--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise AssertionError("the fake Stripe has no standard output")
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def _organizations(count: int) -> list[int]:
    from orgs.commands.loading import load_organizations
    from orgs.commands.organizations import IncomingOrganization
    from orgs.commands.white_labels import create_white_label
    from orgs.models import Organization

    white_label = create_white_label("bench", name="Bench")
    for first in range(0, count, _BATCH_SIZE):
        batch = [
            IncomingOrganization(external_id=f"o-{n}", name=f"Organization {n}")
            for n in range(first, min(first + _BATCH_SIZE, count))
        ]
        load_organizations(white_label, batch)
    rows = Organization.objects.filter(external_id__startswith="o-").order_by("id")
    return list(rows.values_list("id", flat=True))


def _fill(url: str, organization_ids: list[int]) -> None:
    _load(url, list(_catalog()))
    began = int(time.time()) - 90 * _DAY
    for first in range(0, len(organization_ids), _BATCH_SIZE):
        batch = enumerate(organization_ids[first : first + _BATCH_SIZE], start=first)
        _load(url, [each for n, id_ in batch for each in _objects(n, id_, began + n)])


def _catalog() -> Iterator[Json]:
    """Yield a plan, its metered price, and seats."""
    for id_, kind, tier in (("7", "platform", "growth"), ("8", "spaces", "team")):
        kinds = {"orgdesk_kind": kind, "orgdesk_tier": tier}
        product = {"object": "product", "id": f"prod_{id_}", "name": tier.title()}
        yield product | {"metadata": kinds}
    for id_, product_id, amount, usage_type in _PRICES:
        yield {
            "object": "price",
            "id": id_,
            "product": product_id,
            "currency": "usd",
            "unit_amount": amount,
            "recurring": {"interval": "month", "usage_type": usage_type},
        }


def _objects(n: int, organization_id: int, created: int) -> Iterator[Json]:
    """Yield customer number `n` with a subscription of 3 items and two invoices."""
    yield {
        "object": "customer",
        "id": f"cus_{n}",
        "created": created,
        "email": f"pay@o-{n}.example",
        "metadata": {"orgdesk_organization_id": str(organization_id)},
    }
    yield {
        "object": "subscription",
        "id": f"sub_{n}",
        "created": created,
        "customer": f"cus_{n}",
        "items": [{"price": "price_9"}, {"price": "price_8"}, {"price": "price_7"}],
    }
    for number in range(2):
        start = created + 30 * number * _DAY
        period = {"start": start, "end": start + 30 * _DAY}
        yield {
            "object": "invoice",
            "id": f"in_{n}_{number}",
            "created": period["end"],
            "customer": f"cus_{n}",
            "currency": "usd",
            "status": "paid",
            "amount_paid": 4000,
            "lines": [
                {"amount": amount, "period": period} for _, _, amount, _ in _PRICES
            ],
        }


def _load(url: str, objects: list[Json]) -> None:
    body = json.dumps({"objects": objects}).encode()
    with urlopen(Request(f"{url}/_fake/objects", body), timeout=60) as response:  # noqa: S310
        response.read()


def _list(url: str) -> None:
    """List all objects as the guide of the SDK shows: all pages of 100 objects."""
    import stripe

    logging.getLogger("stripe").setLevel(
        logging.WARNING
    )  # otherwise it logs each URL twice
    client = stripe.StripeClient(_KEY, base_addresses={"api": url}).v1
    lists: list[tuple[Any, Json]] = [
        (client.customers, {}),
        (client.prices, {"expand": ["data.product"]}),
        (client.subscriptions, {"status": "all"}),
        (client.invoices, {}),
    ]
    for service, parameters in lists:
        for _ in service.list({"limit": 100, **parameters}).auto_paging_iter():
            pass


def _sync() -> None:
    from billing.stripe.commands.sync import execution
    from billing.stripe.commands.sync import runs as runs_sync
    from orgs.models import WhiteLabel

    run = runs_sync.start(WhiteLabel.objects.get(slug="bench"))
    while execution.advance(run.pk):
        pass


def _check(customers: int) -> None:
    """Raise unless both runs read all objects and only the first one wrote them."""
    from billing.models import SyncRun

    runs = SyncRun.objects.order_by("id").values_list("state", "done", "errors")
    objects = 4 * customers + len(_PRICES)
    if list(runs) != [("done", objects, 0)] * 2:
        raise AssertionError(f"the runs read {list(runs)}, not {objects}")
    written = list(SyncRun.objects.order_by("id").values_list("written", flat=True))
    if written != [objects, 0]:
        raise AssertionError(f"the runs wrote {written}")


def _timed(job: Callable[[], object]) -> float:
    began = time.monotonic()
    job()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
