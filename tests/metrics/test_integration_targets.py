"""Setting push targets: what is stored, cleared, and rejected."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from metrics.models import Integration
from metrics.queries.integrations import find_target
from orgs.models import Organization, WhiteLabel
from tests.factories import make_key
from tests.support.organization_api import faults

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
TARGET = {
    "id": "70011",
    "token": "glc_secret",
    "endpoint": "https://prom.example.com:9090/api/push",
}
LOKI = {"id": "5", "token": "logs", "endpoint": "https://logs.example.com/loki"}
FIELDS = ("id", "token", "endpoint")


@pytest.fixture
def put(acme: WhiteLabel, org: Organization, client: Client) -> Any:
    key = make_key(acme, "integrations:write", organization=org)
    headers = {"authorization": f"Bearer {key}"}

    def put(body: Any) -> Any:
        return client.put(
            "/v1/orgs/integrations", body, "application/json", headers=headers
        )

    return put


def shown(body: dict[str, Any], kind: str) -> list[str | None]:
    return [body[f"{kind}_{field}"] for field in FIELDS]


def test_an_object_replaces_null_clears_and_absent_changes_nothing(put: Any) -> None:
    body = put({"prom": TARGET, "loki": LOKI}).json()
    assert faults(body) == []
    assert shown(body, "prom") == ["70011", "********", TARGET["endpoint"]]

    body = put({"prom": {**TARGET, "id": "7"}}).json()
    assert (body["prom_id"], body["loki_id"]) == ("7", "5")
    assert put({}).json() == body

    body = put({"loki": None}).json()
    assert shown(body, "loki") == [None, None, None]
    assert body["prom_id"] == "7"
    assert faults(body) == []


@pytest.mark.parametrize("mask", ["********", "*", "*" * 40])
def test_masked_token_that_is_sent_back_keeps_the_stored_one(
    put: Any, org: Organization, mask: str
) -> None:
    put({"prom": TARGET})

    moved = {**TARGET, "token": mask, "endpoint": f"{TARGET['endpoint']}/2"}
    body = put({"prom": moved}).json()

    assert shown(body, "prom") == ["70011", "********", moved["endpoint"]]
    target = find_target(org.pk, kind="prom")
    assert target is not None
    assert (target.token, target.endpoint) == ("glc_secret", moved["endpoint"])


@pytest.mark.parametrize(
    "endpoint", ["https://new.example.com/push", "https://{}/push"]
)
def test_a_stored_token_is_not_sent_to_another_host(
    put: Any, org: Organization, endpoint: str
) -> None:
    put({"prom": TARGET})

    host = urlsplit(TARGET["endpoint"]).hostname
    moved = {**TARGET, "token": "********", "endpoint": endpoint.format(host)}
    response = put({"prom": moved})

    [problem] = response.json()["detail"]
    assert (response.status_code, problem["type"]) == (422, "token_missing")
    assert problem["loc"] == ["body", "prom", "token"]
    target = find_target(org.pk, kind="prom")
    assert target is not None
    assert target.endpoint == TARGET["endpoint"]


def test_a_masked_token_without_a_stored_one_is_refused(
    put: Any, org: Organization
) -> None:
    response = put({"loki": LOKI, "prom": {**TARGET, "token": "********"}})

    [problem] = response.json()["detail"]
    assert (response.status_code, problem["type"]) == (422, "token_missing")
    assert problem["loc"] == ["body", "prom", "token"]
    assert not Integration.objects.filter(organization=org).exists()


def test_the_last_change_moves_forward_with_every_change(put: Any) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"prom": TARGET},
        {"prom": {**TARGET, "token": "********", "id": "8"}},
        {"prom": None},
        {"prom": TARGET, "loki": LOKI},
        {"loki": None, "prom": None},
    ]
    instants = [put(body).json()["modified_on"] for body in changes]

    assert instants == sorted(set(instants))
    for unchanged in ({}, {"prom": None}):
        assert put(unchanged).json()["modified_on"] == instants[-1]


def test_the_rest_of_the_object_is_ignored(put: Any, org: Organization) -> None:
    mass = {
        "rate_limit": 9,
        "free_balance": 1e6,
        "org_stripe_id": "cus_x",
        "prom": None,
    }

    body = put(mass).json()

    assert (body["rate_limit"], body["free_balance"]) == (200, 0)
    assert body["org_stripe_id"] == ""
    org.refresh_from_db()
    assert org.rate_limit is None


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], ["body"]),
        ("x", ["body"]),
        ({"prom": "x"}, ["body", "prom"]),
        ({"prom": []}, ["body", "prom"]),
        ({"prom": {"id": "1"}}, ["body", "prom", "token"]),
        ({"loki": {**LOKI, "id": ""}}, ["body", "loki", "id"]),
        ({"loki": {**LOKI, "id": 5}}, ["body", "loki", "id"]),
        ({"loki": {**LOKI, "token": ""}}, ["body", "loki", "token"]),
        ({"loki": {**LOKI, "token": "a\r\nb"}}, ["body", "loki", "token"]),
        ({"loki": {**LOKI, "token": None}}, ["body", "loki", "token"]),
        ({"loki": {**LOKI, "endpoint": "https://a.b " + "x"}}, None),
        ({"loki": {**LOKI, "id": "a:b"}}, ["body", "loki", "id"]),
    ],
)
def test_an_invalid_target_is_rejected_by_field(
    put: Any, body: Any, place: list[str] | None
) -> None:
    response = put(body)

    assert response.status_code == 422
    detail = response.json()["detail"]
    assert {"loc", "msg", "type"} == set(detail[0])
    assert detail[0]["loc"] == (place or ["body", "loki", "endpoint"])
    assert Integration.objects.count() == 0


def test_every_missing_field_is_named(put: Any) -> None:
    detail = put({"prom": {"id": "1"}}).json()["detail"]

    assert [one["loc"][-1] for one in detail] == ["token", "endpoint"]
    assert {one["type"] for one in detail} == {"missing_field"}


@pytest.mark.parametrize("body", [b"{", b'{"prom": NaN}', b'{"prom":1,"prom":2}', b""])
def test_an_ambiguous_body_is_rejected(put: Any, body: bytes) -> None:
    response = put(body)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://prom.example.com/",
        "http://169.254.169.254",
        "http://2130706433",
        "file:///etc/passwd",
        "gopher://prom.example.com",
        "https://2130706433/",
        "https://①②⑦.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://10.0.0.7/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.5.11/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1%25eth0]/",
        "https://[fc00::7]/",
        "https://[::ffff:100.64.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[::7f00:1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[ff02::1]/",
        "https://[v1.example]/",
        "https://localhost/",
        "https://prom/",
        "https://a.localhost./",
        "https://metadata.google.internal/",
        "https://user:pw@prom.example.com/",
        "https://user@prom.example.com/",
        "https://prom.example.com\\@127.0.0.1/",
        "https://prom.example.com:22/",
        "https://prom.example.com:0/",
        "https://prom.example.com:65536/",
        "https://prom.example.com/#x",
        "https://prom..example.com/",
        "https:///push",
        "prom.example.com",
    ],
)
def test_an_endpoint_that_is_not_public_is_rejected(put: Any, endpoint: str) -> None:
    response = put({"loki": LOKI, "prom": {**TARGET, "endpoint": endpoint}})

    assert response.status_code == 422
    [detail] = response.json()["detail"]
    assert detail["loc"] == ["body", "prom", "endpoint"]
    assert detail["type"] == "endpoint_not_allowed"
    assert Integration.objects.count() == 0


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://prom.example.com/api/prom/push?tenant=7",
        "HTTPS://Logs-prod-011.Example.NET:443/loki/api/v1/push",
        "https://xn--bcher-kva.example:3100/",
        "https://8.8.8.8/push",
        "https://[2606:4700:4700::1111]:9090/push",
    ],
)
def test_a_public_endpoint_is_stored_unchanged(put: Any, endpoint: str) -> None:
    response = put({"prom": {**TARGET, "endpoint": endpoint}})

    assert response.status_code == 200
    assert response.json()["prom_endpoint"] == endpoint


@pytest.mark.parametrize("body", [{"prom": "x"}, {"prom": []}, [], {"prom": {"id": 1}}])
def test_an_error_names_no_class_of_ours(put: Any, body: Any) -> None:
    response = put(body)

    assert response.status_code == 422
    for problem in response.json()["detail"]:
        assert not {"TargetIn", "IntegrationsIn", "instance"} & {
            *problem["msg"].split()
        }
        assert "TargetIn" not in str(problem)
