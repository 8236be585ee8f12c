"""Forms of links to customer pages: make one, and revoke one."""

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError

from billing.customer_pages.queries.links import find_contact
from billing.models.customer_links import MAX_ORIGINS
from orgs.models import Organization
from orgs.models.fields import validate_text

MAX_DAYS = 366
_LONGEST_REASON = 1_000
_LONGEST_ORIGIN = 260
_HOST = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


class OriginsField(forms.CharField):
    """Origins of sites, separated by spaces or lines, such as `https://example.com`."""

    def clean(self, value: Any) -> list[str]:
        """Return the origins without repetitions; refuse what is not only an origin."""
        texts = super().clean(value).lower().split()
        origins = list(dict.fromkeys(map(_read_origin, texts)))
        if len(origins) > MAX_ORIGINS:
            raise ValidationError(f"Enter at most {MAX_ORIGINS} sites.")
        return origins


def _read_origin(text: str) -> str:
    """Return an origin; only `https` and, because it ends up in a header, only ASCII.

    A wildcard, path, or user name would admit more than the site that was named.
    """
    try:
        parts, port = urlsplit(text), urlsplit(text).port
    except ValueError:
        raise ValidationError(_not_an_origin(text)) from None
    host = parts.hostname or ""
    origin = f"https://{host}" + (f":{port}" if port else "")
    is_origin = text.removesuffix("/") == origin and len(text) <= _LONGEST_ORIGIN
    if not is_origin or not _HOST.fullmatch(host):
        raise ValidationError(_not_an_origin(text))
    return origin


def _not_an_origin(text: str) -> str:
    return (
        f"“{text[:60]}” is not a site. Write scheme and host only, such as"
        " https://portal.example.com."
    )


class ReasonForm(forms.Form):
    """The reason for a change."""

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        validators=[validate_text],
        help_text="Kept permanently in the history.",
    )


class NewLinkForm(ReasonForm):
    """A new link: its recipient, how long it is valid, and how it is sent."""

    name = forms.CharField(
        max_length=200,
        validators=[validate_text],
        label="Recipient",
        help_text="Shown in this list only, such as “Finance team”.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=MAX_DAYS,
        initial=30,
        label="Valid for (days)",
        help_text=f"1 to {MAX_DAYS} days, as a whole number.",
    )
    address = forms.EmailField(
        required=False,
        label="Send by email to",
        help_text="The billing email or a member of the organization. If empty, the"
        " link is shown to you once.",
        widget=forms.EmailInput({"list": "contacts", "autocomplete": "off"}),
    )
    frame_origins = OriginsField(
        required=False,
        label="Sites that may embed the page",
        help_text="One per line, such as https://portal.example.com. If empty, no site"
        " may show the page in a frame.",
        widget=forms.Textarea({"rows": 2, "spellcheck": "false"}),
    )
    field_order = ("name", "days", "address", "frame_origins", "reason")

    def __init__(self, data: Any = None, *, organization: Organization) -> None:
        super().__init__(data, auto_id="id_link_%s")
        self.organization = organization

    def clean_address(self) -> str:
        """Return the address of a contact; a link never goes to a stranger."""
        address = self.cleaned_data["address"]
        if not address:
            return ""
        contact = find_contact(self.organization, address)
        if contact is None:
            raise ValidationError(
                "No contact of this organization has this address. Enter the billing"
                " email or the address of a member."
            )
        return contact

    def clean(self) -> dict[str, Any]:
        """Refuse a link that is both emailed and embedded: no site would have it."""
        data = super().clean() or {}
        if data.get("address") and data.get("frame_origins"):
            self.add_error(
                "frame_origins",
                "A link that is sent by email is not embedded. Make a second link.",
            )
        return data
