"""Many organizations at once: their preview, their creation, and what is refused."""

from itertools import chain

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from orgs.models import Organization, User, WhiteLabel
from tests.factories import delete, make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LINES = """external_id\tname\tbilling_email\tcontract_started_on
acme-1\tÄcme, Inc.\tbills@acme.example\t2026-01-31
acme-2
"""


@pytest.fixture(autouse=True)
def people(acme: WhiteLabel) -> None:
    make_user("op", "operator", white_label=acme)
    make_user("sue", "support", white_label=acme)


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def post(lines: str, step: str = "save", **more: str) -> tuple[int, list[str]]:
    """Return the status, and the errors of the lines and of the form."""
    data = {"white_label": "acme", "lines": lines, "step": step, **more}
    answer = of("op").post(reverse("billing:add_organizations"), data)
    if answer.status_code == 302:
        return 302, []
    errors = [line.error for line in answer.context["lines"] if line.error]
    of_form = answer.context["form"].errors.values()
    return answer.status_code, [*errors, *chain.from_iterable(of_form)]


def test_they_are_previewed_and_created_with_a_period(acme: WhiteLabel) -> None:
    before = Organization.objects.count()
    assert post(LINES, "preview") == (200, [])
    assert Organization.objects.count() == before
    assert post(LINES) == (302, [])

    row = Organization.objects.get(white_label=acme, external_id="acme-1")
    assert (row.name, row.billing_email) == ("Äcme, Inc.", "bills@acme.example")
    assert (str(row.contract_started_on), row.created_by) == ("2026-01-31", "op")
    other = Organization.objects.get(white_label=acme, external_id="acme-2")
    assert other.name == "acme-2"
    assert of("op").get(reverse("billing:overview", args=[row.pk])).status_code == 200


def test_a_file_is_read_as_lines(acme: WhiteLabel) -> None:
    file = SimpleUploadedFile(
        "o.csv", b"\xef\xbb\xbffile-1;From a file\r\nfile-2;;\r\n"
    )
    data = {"white_label": "acme", "file": file, "step": "save"}
    answer = of("op").post(reverse("billing:add_organizations"), data)
    assert answer.status_code == 302
    assert Organization.objects.filter(external_id__startswith="file-").count() == 2


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("org-7", "An organization has this external ID"),
        ("gone", "An organization has this external ID"),
        ("new", "twice in the list"),
        (",Name", "external_id"),
        ("x,y,not an address", "billing_email"),
        ("x,y,,31.01.2026", "contract_started_on"),
        ("x,y,,1999-01-01", "contract_started_on"),
        ("x,y,,,z", "too many cells"),
        ("x" * 201, "external_id"),
        ("x\u202ey", "external_id"),
    ],
)
def test_a_bad_line_refuses_all(
    acme: WhiteLabel, org: Organization, line: str, error: str
) -> None:
    delete(make_organization(acme, "gone"))
    before = Organization.objects.count()
    status, errors = post(f"new\n{line}")

    assert status == 422
    assert error in errors[0]
    assert Organization.objects.count() == before
    assert post(f"new\n{line}", skips_invalid="on") == (302, [])
    assert Organization.objects.count() == before + 1


@pytest.mark.parametrize("lines", ["", "external_id", '"x', "a\n" * 3_000])
def test_a_bad_list_is_refused(lines: str) -> None:
    before = Organization.objects.count()
    assert post(lines)[0] in {200, 422}
    assert Organization.objects.count() == before


def test_unknown_columns_are_named() -> None:
    assert "Unknown columns" in post("external_id,nmae\nx,y")[1][0]


def test_others_create_none(acme: WhiteLabel) -> None:
    url = reverse("billing:add_organizations")
    data = {"white_label": "decoy", "lines": "x", "step": "save"}
    assert of("sue").post(url, data).status_code == 403
    assert of("op").post(url, data).status_code == 422
    assert not Organization.objects.filter(external_id="x").exists()
