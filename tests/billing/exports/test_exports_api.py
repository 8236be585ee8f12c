"""Tables and large exports by API: the same files, for keys and for people."""

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.test import Client

from billing.exports import tasks
from billing.exports.queries import contents
from billing.exports.queries.registry import TABLES
from billing.models import Export
from orgs.errors import Forbidden
from orgs.models import ApiKey, Organization, WhiteLabel
from tests.factories import delete, make_key, make_organization, make_user
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
MEMBERS = "/api/v1/tables/members.csv"


@pytest.fixture
@snapshot
def members(org: Organization) -> list[str]:
    names = ["ann", "bob", "007"]
    for name in names:
        org.members.create(external_id=name, name=name)
    return names


@pytest.fixture
def key(org: Organization, members: list[str]) -> str:
    return make_key(org.white_label, "organizations:read")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MAX_ROWS", 2)


def call(key: str, url: str, method: str = "get", **headers: str) -> Any:
    return getattr(Client(headers={"x-api-key": key, **headers}), method)(url)


def body(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return bytes(answer.getvalue())


def code(answer: Any) -> str:
    return str(answer.json()["errors"][0]["code"])


def test_every_table_is_listed(key: str) -> None:
    tables = call(key, "/api/v1/tables").json()["tables"]

    assert {table["slug"] for table in tables} == set(TABLES)
    [members] = [table for table in tables if table["slug"] == "members"]
    assert members["of"] == ["fleet", "organization"]
    assert members["scope"] == "organizations:read"
    assert "from" in members["parameters"]


def test_a_table_is_the_file_of_its_page(key: str, org: Organization) -> None:
    user = make_user("root", "operator")
    page = Client()
    page.force_login(user)
    for query in ("", "?for=excel", "?format=manifest"):
        path = f"organizations/{org.pk}/tables/members.csv{query}"
        assert body(call(key, f"/api/v1/{path}")) == body(page.get(f"/{path}"))
    archive = zipfile.ZipFile(io.BytesIO(body(call(key, f"{MEMBERS}?format=zip"))))
    assert archive.namelist() == ["members.csv", "manifest.json"]


@pytest.mark.parametrize(
    ("url", "status", "error"),
    [
        ("/api/v1/tables/nothing.csv", 404, "not_found"),
        ("/api/v1/tables/costs.csv", 404, "not_found"),
        (f"{MEMBERS}?format=xlsx", 400, "invalid_request"),
        (f"{MEMBERS}?for=numbers", 400, "invalid_request"),
        (f"{MEMBERS}?form=x", 400, "unknown_parameter"),
        (f"{MEMBERS}?from=x", 400, "invalid_request"),
        ("/api/v1/tables/invoices.csv", 403, "organization.invalid_access"),
        ("/api/v1/tables/api-keys.csv", 403, "organization.invalid_access"),
        ("/api/v1/exports/1", 404, "not_found"),
        ("/api/v1/exports/x", 404, "not_found"),
        ("/api/v1/exports/9999999999999999999999", 404, "not_found"),
    ],
)
def test_an_error_has_its_status_and_code(
    key: str, url: str, status: int, error: str
) -> None:
    answer = call(key, url)

    assert (answer.status_code, code(answer)) == (status, error)


def test_a_key_of_one_organization_reads_only_its_tables(org: Organization) -> None:
    other = make_organization(org.white_label, "org-8")
    key = make_key(org.white_label, "organizations:read", organization=org)

    assert call(key, MEMBERS).status_code == 403
    own, foreign = (
        call(key, f"/api/v1/organizations/{one.pk}/tables/members.csv").status_code
        for one in (org, other)
    )
    assert (own, foreign) == (200, 404)


@pytest.mark.usefixtures("small")
def test_a_large_table_is_an_export(key: str, members: list[str]) -> None:
    started = call(key, f"{MEMBERS}?for=excel")
    address = started["Location"]
    assert started.status_code == 202
    assert started.json() == call(key, address).json()
    assert started.json()["state"] == "pending"
    early = call(key, f"{address}/file")
    assert (early.status_code, code(early)) == (409, "export_not_ready")

    tasks.write_export(started.json()["id"])

    [export] = call(key, "/api/v1/exports").json()["exports"]
    assert (export["state"], export["rows"]) == ("done", 3)
    assert export["is_for_excel"]
    file = call(key, export["file_url"])
    archive = zipfile.ZipFile(io.BytesIO(body(file)))
    data = archive.read("members.csv")
    assert export["sha256"] == hashlib.sha256(data).hexdigest()
    assert json.loads(archive.read("manifest.json"))["bytes"] == export["bytes"]
    assert data.startswith(b"\xef\xbb\xbf")
    assert b'"=""007"""' in data
    tag = {"if-none-match": file["ETag"]}
    assert call(key, export["file_url"], **tag).status_code == 304


@pytest.mark.usefixtures("small")
def test_only_its_key_sees_an_export(key: str, org: Organization) -> None:
    address = call(key, MEMBERS)["Location"]
    tasks.write_export(Export.objects.latest("pk").pk)
    decoy = WhiteLabel.objects.get(slug="decoy")
    others = [
        make_key(label, "organizations:read") for label in (org.white_label, decoy)
    ]

    for other in others:
        assert call(other, "/api/v1/exports").json() == {"exports": []}
        for method, path in (("get", ""), ("get", "/file"), ("delete", "")):
            assert call(other, address + path, method).status_code == 404
    without = make_key(org.white_label, "usage:write")
    for path in ("", "/file"):
        assert call(without, address + path).status_code == 403
    assert call(without, "/api/v1/tables").status_code == 403
    assert call(without, "/api/v1/exports").status_code == 403
    assert call(without, MEMBERS).status_code == 403
    assert call(without, address, "delete").status_code == 403


@pytest.mark.usefixtures("small")
def test_an_export_is_deleted_in_any_state(key: str) -> None:
    for is_written in (False, True):
        address = call(key, MEMBERS)["Location"]
        if is_written:
            tasks.write_export(Export.objects.latest("pk").pk)

        assert call(key, address, "delete").status_code == 204
        assert call(key, address).status_code == 404
        assert not Export.objects.exists()


@pytest.mark.usefixtures("small")
def test_the_export_of_a_revoked_key_is_not_written(
    key: str, frozen: Any, org: Organization
) -> None:
    call(key, MEMBERS)
    ApiKey.objects.update(revoked_at=ApiKey.objects.get().created_at)
    export = Export.objects.get()

    tasks.write_export(export.pk)

    export.refresh_from_db()
    assert export.state == "failed"


@pytest.mark.usefixtures("small")
def test_the_export_of_a_deleted_organizations_key_is_not_written(
    org: Organization, members: list[str], frozen: Any
) -> None:
    """Such a key may only report usage from then on."""
    scopes = ("organizations:read", "usage:write")
    path = f"/api/v1/organizations/{org.pk}/tables/members.csv"
    call(make_key(org.white_label, *scopes, organization=org), path)
    export = Export.objects.get()
    delete(org)

    tasks.write_export(export.pk)

    export.refresh_from_db()
    assert (export.state, export.error_code) == ("failed", Forbidden.code)


@pytest.mark.usefixtures("small")
def test_a_person_sees_exports_of_the_api_on_the_page(
    org: Organization, members: list[str]
) -> None:
    user = make_user("ann", "viewer", white_label=org.white_label)
    client = Client()
    client.force_login(user)

    address = client.get(MEMBERS)["Location"]

    [export] = Export.objects.all()
    assert address == f"/api/v1/exports/{export.pk}"
    assert f'data-export="{export.pk}"' in client.get("/exports/").content.decode()
