"""Contract A in tests, called as an API client of a white label does."""

import functools
import gc
import importlib
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection
from django.test import Client

from orgs.models import Organization, WhiteLabel
from tests.factories import make_key

if TYPE_CHECKING:
    import edgeimpulse_api

BOTH = ("organizations:read", "organizations:write")


class WhiteLabelClient:
    """Client of a white label with a key; it checks that every response is JSON."""

    def __init__(self, label: WhiteLabel, *scopes: str) -> None:
        self.root = f"/v1/api/organizations/{label.owner_id}/whitelabel"
        self.headers = {"x-api-key": make_key(label, *(scopes or BOTH))}

    @functools.cached_property
    def client(self) -> Client:
        """Made when it is asked for: a snapshot cannot keep it."""
        return Client()

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.root}/{path}".rstrip("/")
        sent = b"" if body is None else orjson.dumps(body)
        return self.client.generic(
            method, url, sent, "application/json", headers=self.headers
        )

    def ok(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        response = self(method, path, body)
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        assert answer["success"] is True
        return answer

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        response = self(method, path, body)
        answer = response.json()
        assert set(answer) == {"success", "error"}
        assert answer["success"] is False
        return response.status_code, answer["error"]


def of(organization: Organization, rest: str = "") -> str:
    return f"organizations/{organization.pk}{rest}"


def published_client() -> Any:
    """Return the package of the published client.

    Its models take seconds of CPU to import, so only the tests that use it pay.
    """
    gc.disable()  # a third of the time, and hundreds of models make no garbage
    try:
        return importlib.import_module("edgeimpulse_api")
    finally:
        gc.freeze()
        gc.enable()


class Ei:
    """The published client, created as its users do."""

    def __init__(self, host: str, **credentials: Any) -> None:
        configuration = published_client().Configuration(host=host, **credentials)
        configuration.retries = False
        self.configuration = configuration

    def __enter__(self) -> "edgeimpulse_api.OrganizationsApi":
        ei = published_client()
        self.client = ei.ApiClient(self.configuration)
        api: edgeimpulse_api.OrganizationsApi = ei.OrganizationsApi(self.client)
        return api

    def __exit__(self, *_: object) -> None:
        pools = self.client.rest_client.pool_manager.pools
        for key in pools.keys():  # noqa: SIM118  not a dict
            pools[key].close()


def other_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])
