"""Contract C in tests: usage that is billed, and a client of the costs API."""

import json
from decimal import Decimal
from typing import Any

from django.test import Client

from orgs.models import Organization, WhiteLabel
from tests.factories import event, make_organization, make_rate, record

DIMENSIONS = [
    "capacity",
    "data_in",
    "data_internode",
    "data_out",
    "storage_api",
    "storage_bytes",
]


def make_billed(acme: WhiteLabel, org: Organization) -> Organization:
    """Record costs: November 10 + 3.5 (p-1) and 2.2 (no project), October 14 (p-1)."""
    make_organization(acme, "org-9")
    make_rate(acme, "2")
    make_rate(acme, "0.001", product="a100", meter="gpu_seconds")
    make_rate(acme, "0.02", product="disk", meter="storage_bytes_added")
    p1 = {"project": "p-1"}
    october = {"timestamp": "2026-10-31T23:59:59Z", "quantities": {"requests": 7}}
    gpu = {"product": "a100", "quantities": {"gpu_seconds": 3500}, **p1}
    disk = {"product": "disk", "quantities": {"storage_bytes_added": 110}}
    record(
        acme,
        [
            event("a", timestamp="2026-11-03T00:00:00Z", **p1),
            event("b", **gpu),
            event("c", **disk),
            event("d", **october, **p1),
            event("decoy", organization="org-9", quantities={"requests": 900}, **p1),
        ],
    )
    return org


class Ask:
    """Client of an organization's costs that parses numbers as exact decimals."""

    def __init__(self, client: Client, id_: object, key: str) -> None:
        self.client, self.id, self.key = client, id_, key

    def raw(self, path: str = "") -> Any:
        url = f"/api/v1/billing/costs/{self.id}{path}"
        return self.client.get(url, headers={"authorization": f"ApiKey {self.key}"})

    def __call__(self, path: str = "") -> Any:
        response = self.raw(path)
        assert response.status_code == 200, response.content
        return json.loads(response.content, parse_float=Decimal)

    def error(self, path: str = "") -> tuple[int, str]:
        response = self.raw(path)
        [error] = response.json()["errors"]
        assert response["x-cloud-error-codes"] == error["code"]
        return response.status_code, error["code"]
