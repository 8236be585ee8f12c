"""The branding of a white label: its form, its files, and the emails that have it."""

import re
from email.utils import getaddresses
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from billing.alerts.commands.delivery.content import build_message
from billing.alerts.commands.records import new_message_id
from billing.customer_pages.commands.emails import send_link_email
from billing.models import Alert, AlertEmail, CustomerLink, CustomerLinkEmail
from orgs.colors import accent_contrasts, contrast
from orgs.commands.account_emails import send_email
from orgs.commands.branding import change_branding, hash_of
from orgs.commands.people import invite_member
from orgs.commands.proofs import ChangedMeanwhile, sign_values
from orgs.images import LARGEST_FILE, ImageRefused, read_image
from orgs.models import AccountEmail, Logo, Organization, User, WhiteLabel
from tests.factories import NOW, make_user
from tests.support.images import jpeg, png, png_chunk, webp

ACCENT = "#7a1f5c"


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        (webp(), "image/webp"),
        (webp(kind=b"VP8 "), "image/webp"),
        (webp(kind=b"VP8X"), "image/webp"),
    ],
)
def test_images_are_known_by_their_content(data: bytes, content_type: str) -> None:
    image = read_image(data)

    assert (image.content_type, image.width, image.height) == (content_type, 160, 40)
    for cut in (*range(0, len(data), 7), len(data) - 1):
        with pytest.raises(ImageRefused):
            read_image(data[:cut])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (b"GIF89a" + b"\x00" * 90, "not a PNG"),
        (png(extra=b"<script>alert(1)</script>"), "damaged"),
        (
            png(extra=png_chunk(b"tEXt", b"<script>") + png_chunk(b"IEND", b"")),
            "damaged",
        ),
        (png().replace(b"\x00\x00\x00\xa0", b"\x00\x00\x00\xa1", 1), "damaged"),
        (webp() + b"\x00\x00", "damaged"),
        (b"\xff" * 5_000, "not a PNG"),
        (b"\xff\xd8" + b"\xff" * 5_000 + b"\xff\xd9", "damaged"),
        (png(15, 16), "15 x 16 pixels. Each side must have 16 to 2,000"),
        (png(2_001, 2_000), "2001 x 2000 pixels"),
        (jpeg(0, 40), "0 x 40 pixels"),
        (png(170, 20), "at most 8 times"),
        (png() + b"\x00" * LARGEST_FILE, "larger than 200 kB"),
    ],
)
def test_other_files_are_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageRefused, match=re.escape(sentence)):
        read_image(data)


def test_the_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert set(accent_contrasts(ACCENT)) == {"light", "dark"}


@pytest.fixture
def people(acme: WhiteLabel) -> None:
    for role in ("viewer", "support", "operator"):
        make_user(role, role)
    make_user("bound", "operator", white_label=acme)
    make_user("strange", "operator", white_label=WhiteLabel.objects.get(slug="decoy"))


def of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def address(label: WhiteLabel) -> str:
    return reverse("orgs:edit_branding", args=[label.pk])


def send(client: Client, label: WhiteLabel, **data: Any) -> Any:
    """Send the form as a browser has it, with these changes."""
    form = client.get(address(label)).context["form"]
    initial = {name: form.initial.get(name, "") for name in form.fields}
    return client.post(address(label), {**initial, "reason": "New look", **data})


def get_preview(folder: str) -> str:
    page = of("operator").get(reverse("billing:alert_email", args=[folder]))
    return str(page.content.decode())


def upload(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("logo.exe", data, content_type="text/html")


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen", "people")
def test_branding_is_previewed_saved_and_served(
    acme: WhiteLabel, org: Organization
) -> None:
    client = of("bound")
    chosen = {"logo_file": upload(png()), "accent_color": ACCENT.upper()}
    answer = send(client, acme, step="preview", reason="", **chosen)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count('src="data:image/png;base64,') == 2
    assert f'href="/accents/{ACCENT[1:]}.css"' in page
    assert not Logo.objects.exists()
    [sent] = re.findall(r'name="upload" value="([^"]+)"', page)

    # The file of the preview is saved without being chosen again.
    assert send(client, acme, upload=sent, accent_color=ACCENT).status_code == 302
    acme.refresh_from_db()
    digest = hash_of(read_image(png()))
    assert (acme.logo_sha256, acme.accent_color) == (digest, ACCENT)
    history = of("operator").get(reverse("orgs:fleet_history")).content.decode()
    assert f"accent color set to {ACCENT}" in re.sub(r"<[^>]+>", "", history)
    assert "New look" in history

    image = Client().get(f"/logos/{digest}")
    assert image.content == png()
    assert image.headers["Content-Type"] == "image/png"
    assert image.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert image.headers["X-Content-Type-Options"] == "nosniff"
    assert image.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not image.cookies
    style = Client().get(f"/accents/{ACCENT[1:]}.css")
    assert style.content.decode() == f":root {{ --accent: {ACCENT}; }}\n"
    for path in (f"/logos/{'0' * 64}", "/logos/x", "/accents/ffffff.css"):
        assert Client().get(path).status_code in {302, 404}

    preview = of("operator").get("/alerts/emails/hard_limit/html?white_label=acme")
    assert preview.status_code == 200
    assert f"/logos/{digest}" in preview.content.decode()
    assert ACCENT in preview.content.decode()
    assert 'name="white_label"' not in get_preview("unpriced")
    assert 'name="white_label"' in get_preview("hard_limit")
    strange = of("strange").get("/alerts/emails/hard_limit/?white_label=acme")
    assert strange.status_code == 404

    answer = send(client, acme, accent_color=ACCENT, removes_logo="on")
    assert answer.status_code == 302
    acme.refresh_from_db()
    assert (acme.logo_sha256, Logo.objects.count()) == ("", 1)  # of emails of the past


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen", "people")
def test_who_may_change_it_and_what_is_refused(acme: WhiteLabel) -> None:
    assert of("viewer").get(address(acme)).status_code == 403
    assert of("support").post(address(acme)).status_code == 403
    for method in ("get", "post"):
        assert getattr(of("strange"), method)(address(acme)).status_code == 404

    client = of("operator")
    for data, field in (
        ({"reason": ""}, "reason"),
        ({"logo_file": upload(b"")}, "logo_file"),
        ({"logo_file": upload(b"<svg/>")}, "logo_file"),
        ({"logo_file": upload(b"\x00" * (LARGEST_FILE + 1))}, "logo_file"),
        ({"upload": "not base64"}, "logo_file"),
        ({"upload": "PHN2Zy8+"}, "logo_file"),
        ({"logo_file": upload(png()), "removes_logo": "on"}, "removes_logo"),
        ({"accent_color": "7a1f5c"}, "accent_color"),
        ({"accent_color": "#7a1f5"}, "accent_color"),
        ({"accent_color": "red;}"}, "accent_color"),
        ({"accent_color": "#777777"}, "accent_color"),
        ({"sender_name": "Acme\r\nBcc: x@example.com"}, "sender_name"),
        ({"sender_name": "a" * 101}, "sender_name"),
        ({"reply_to": "a@b@c"}, "reply_to"),
        ({"reply_to": "a@example.com\nBcc: x@example.com"}, "reply_to"),
        ({"reply_to": "a@example.com, b@example.com"}, "reply_to"),
    ):
        answer = send(client, acme, **data)
        assert answer.status_code == 422, data
        assert set(answer.context["form"].errors) == {field}, data
    low = send(client, acme, accent_color="#777777").content.decode()
    assert "contrast of 4.4:1 in light and 4.4:1 in dark mode" in low
    acme.refresh_from_db()
    assert {acme.logo_sha256, acme.accent_color, acme.sender_name} == {""}

    first = client.get(address(acme)).context["form"].initial["before"]
    assert send(of("bound"), acme, sender_name="Acme Billing").status_code == 302
    answer = send(client, acme, before=first, sender_name="Mine")
    assert answer.status_code == 409
    assert "sender name set to Acme Billing" in answer.content.decode()
    assert "by bound" in answer.content.decode()
    acme.refresh_from_db()
    assert acme.sender_name == "Acme Billing"


@pytest.mark.django_db
def test_old_logos_are_deleted_and_stale_changes_refused(
    acme: WhiteLabel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.commands.branding._MAX_LOGOS", 2)
    before = ""
    for width in (50, 60, 70, 60):
        image = read_image(png(width))
        values = {"logo_sha256": hash_of(image)}
        proof = sign_values({"logo_sha256": before})
        change_branding(acme, values, logo=image, reason="New", proof=proof)
        before = hash_of(image)
    stored = Logo.objects.order_by("-created_at").values_list("width", flat=True)
    assert list(stored) == [60, 70]

    # The form was right when it was read; another person was faster.
    with pytest.raises(ChangedMeanwhile):
        change_branding(acme, {"logo_sha256": ""}, logo=None, reason="", proof=proof)
    acme.refresh_from_db()
    assert acme.logo_sha256 == before


def sent_to_customers(org: Organization) -> list[Any]:
    """Send an email of each kind that a customer gets; return the messages."""
    values = {"email": "pat@example.com", "name": "Pat"}
    invite_member(org, "m-1", values, invited_by="ann", sends_email=True)
    send_email(AccountEmail.objects.get().pk)
    link = CustomerLink.objects.create(
        organization=org,
        name="<b>Finance</b>",
        created_by_name="ann",
        expires_at=NOW.replace(year=NOW.year + 1),
    )
    row = CustomerLinkEmail.objects.create(link=link, address="fin@example.com")
    send_link_email(row.pk)
    facts = {
        "organization": {
            "id": org.pk,
            "external_id": org.external_id,
            "name": org.name,
            "white_label": "Acme",
        },
        "currency": "usd",
        "today": "2026-11-21",
        "value": "110",
        "base": "100",
    }
    alert = Alert.objects.create(
        organization=org,
        kind="hard_limit",
        threshold=1,
        period="1",
        billing_period=1,
        reached_at=NOW,
        facts=facts,
    )
    email = AlertEmail.objects.create(
        alert=alert,
        organization=org,
        kind="hard_limit",
        message_id=new_message_id(),
    )
    recipient = email.recipients.create(address="ops@example.com")
    return [*mail.outbox, build_message(email, recipient)]


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_every_email_to_a_customer_has_sender_and_branding(
    acme: WhiteLabel, org: Organization, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Orgdesk <orgdesk@example.com>"
    name = 'Acme, "Cloud" <evil@example.net>'
    digest = "ab" * 32
    WhiteLabel.objects.filter(pk=acme.pk).update(
        sender_name=name,
        reply_to="help@acme.example",
        accent_color=ACCENT,
        logo_sha256=digest,
    )
    org.name = "<i>Globex</i> & Sons"
    org.save()
    org.white_label.refresh_from_db()

    messages = sent_to_customers(org)

    assert len(messages) == 3
    for message in messages:
        parsed = message.message()
        assert getaddresses([parsed["From"]]) == [(name, "orgdesk@example.com")]
        assert parsed["Reply-To"] == "help@acme.example"
        assert len(parsed.get_all("From")) == len(parsed.get_all("To")) == 1
        [(html, kind)] = message.alternatives
        assert kind == "text/html"
        assert f'src="{settings.SITE_URL}/logos/{digest}"' in html
        assert f"background:{ACCENT}" in html
        assert "<i>Globex" not in html
        assert "&amp;lt;" not in html
        assert digest not in message.body
    assert f"{settings.SITE_URL}/customer/" in messages[1].body
    # An email to staff is of the installation, also about a customer.
    alert = Alert.objects.get()
    alert.kind, alert.subject = "unpriced", "gpt requests"
    alert.save()
    email, recipient = alert.alert_emails.get(), messages[2].to[0]
    email.kind, email.alert = "unpriced", alert
    to_staff = build_message(email, email.recipients.get(address=recipient))
    assert to_staff.from_email == settings.DEFAULT_FROM_EMAIL
    assert not to_staff.reply_to
    assert "<img" not in str(to_staff.alternatives[0][0])
    assert re.search(
        r'<a href="[^"]*/customer/page_\w+/', messages[1].alternatives[0][0]
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen")
def test_without_branding_emails_are_the_installations(
    org: Organization, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Orgdesk <orgdesk@example.com>"
    for message in sent_to_customers(org):
        assert message.from_email == "Orgdesk <orgdesk@example.com>"
        assert "Reply-To" not in message.message()
        assert "<img" not in message.alternatives[0][0]
