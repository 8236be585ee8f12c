"""The API reference and the OpenAPI document, with and without a login."""

import pytest
from django.test import Client
from pytest_django import Settings

from orgs.models import WhiteLabel
from tests.factories import make_key, make_user

pytestmark = pytest.mark.django_db
DOCUMENT, PAGE = "/api/openapi.json", "/api/docs"


def test_both_are_public() -> None:
    document, page = Client().get(DOCUMENT), Client().get(PAGE)

    assert document.json()["openapi"] == "3.1.0"
    assert page.status_code == 200
    assert b"data-operation>record_usage<" in page.content
    assert b"side__account" not in page.content


def test_an_unchanged_document_is_not_sent_again() -> None:
    document = Client().get(DOCUMENT)

    again = Client().get(DOCUMENT, headers={"if-none-match": document["ETag"]})

    assert again.status_code == 304
    assert not again.content


def test_the_document_can_require_a_credential(
    acme: WhiteLabel, settings: Settings
) -> None:
    settings.PUBLIC_API_DOCS = False
    client = Client(headers={"x-api-key": make_key(acme, "usage:write")})

    assert Client().get(DOCUMENT).status_code == 401
    assert client.get(DOCUMENT).json()["openapi"] == "3.1.0"


def test_the_page_can_require_staff(settings: Settings) -> None:
    settings.PUBLIC_API_DOCS = False
    staff, member = Client(), Client()
    staff.force_login(make_user("ada", "operator"))
    member.force_login(make_user("eve", is_staff=False))

    assert Client().get(PAGE).status_code == 404
    assert member.get(PAGE).status_code == 404
    assert staff.get(PAGE).status_code == 200


def test_a_slash_at_the_end_leads_to_the_page() -> None:
    assert Client().get(f"{PAGE}/")["Location"] == PAGE
