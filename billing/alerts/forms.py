"""Forms for spending limits, alert recipients and snoozing."""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing.alerts.commands.percents import InvalidPercents, check_percents
from billing.alerts.kinds import AlertPercents
from billing.alerts.queries.recipients import endpoints_of
from orgs.access.permissions import row_id
from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.models import Member, Organization
from orgs.web.edits import EditForm, ProvenForm

_MAX_ADDRESSES = 50
_PERCENT = re.compile("[0-9]{1,6}%?", re.ASCII)
_MAX_NOTE_LENGTH = 1_000
_MEMBERS_FOUND = 20  # of a search, or of the newest members without one
_SNOOZE_HOURS = {
    "24": "1 day",
    "72": "3 days",
    "168": "1 week",
    "0": "Off (resume emails)",
}


def _amount(label: str, *, required: bool = False) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=required,
        min_value=Decimal(0),
        max_digits=MONEY_DIGITS,
        decimal_places=MONEY_PLACES,
        widget=forms.TextInput({"inputmode": "decimal", "autocomplete": "off"}),
    )


class SpendForm(forms.Form):
    """The form that simulates the alerts of a cost of the open period."""

    spend = _amount("Cost this period", required=True)


class LimitsForm(ProvenForm):
    """The form of both spending limits; empty or 0 is no limit."""

    soft = _amount("Soft limit")
    hard = _amount("Hard limit")
    note = forms.CharField(
        label="Reason",
        required=False,  # a preview needs none
        max_length=_MAX_NOTE_LENGTH,
        widget=forms.Textarea({"rows": 2}),
        help_text="Required to save. Kept permanently in the history.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a soft limit above the hard limit."""
        data = super().clean() or {}
        soft, hard = data.get("soft"), data.get("hard")
        if soft and hard and soft > hard:
            self.add_error("soft", "The soft limit must not exceed the hard limit.")
        return data

    def require_note(self) -> None:
        """Add an error if there is no reason, which saving requires."""
        if not self.cleaned_data.get("note"):
            self.add_error("note", "Enter the reason for the change.")


class PercentsField(forms.CharField):
    """Percentages as `50, 80, 100`; empty for the default ones, which are None."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text of percentages."""
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[int] | None:
        """Return the percentages; raise `ValidationError` that names a wrong one."""
        text = super().clean(value)
        words = text.replace(",", " ").replace(";", " ").split()
        if not words:
            return None
        for word in words:
            if not _PERCENT.fullmatch(word):
                raise ValidationError(
                    f"{word[:20]} is not a whole percentage, such as 80."
                )
        try:
            return check_percents(int(word.rstrip("%")) for word in words)
        except InvalidPercents as error:
            raise ValidationError(error.message) from None


class PercentsForm(EditForm):
    """The form of the percentages at which alerts of limits and entitlements go out."""

    limits = PercentsField(
        label="Spending limits, %",
        required=False,
        max_length=200,
        help_text="1 to 8 whole numbers from 1 to 500. Empty: 100. The alert of the"
        " hard limit itself is always sent.",
    )
    entitlements = PercentsField(
        label="Entitlements, %",
        required=False,
        max_length=200,
        help_text="Likewise. Empty: 50, 80, 90, 100.",
    )

    @property
    def percents(self) -> AlertPercents:
        """The percentages that the valid form states."""
        lists = (self.cleaned_data[name] for name in ("limits", "entitlements"))
        return AlertPercents(*(None if row is None else tuple(row) for row in lists))


class SnoozeForm(forms.Form):
    """The form that snoozes alert emails for a while."""

    hours = forms.ChoiceField(label="Snooze for", choices=list(_SNOOZE_HOURS.items()))

    @property
    def duration(self) -> timedelta | None:
        """The chosen duration; None resumes alert emails."""
        hours = int(self.cleaned_data["hours"])
        return timedelta(hours=hours) if hours else None


class RecipientsForm(ProvenForm):
    """The form of the recipients: billing email, members, and addresses by line."""

    notifies_billing_email = forms.BooleanField(required=False)
    members = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple
    )
    endpoints = forms.MultipleChoiceField(
        label="Channels and webhooks",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    addresses = forms.CharField(
        label="Additional addresses",
        required=False,
        max_length=_MAX_ADDRESSES * 255,
        widget=forms.Textarea({"rows": 3, "autocomplete": "off"}),
        help_text=f"One per line, at most {_MAX_ADDRESSES}.",
    )

    def __init__(
        self, *args: Any, organization: Organization, search: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        email = organization.billing_email or "not set"
        self.fields["notifies_billing_email"].label = f"Billing email ({email})"
        sent = self.data.getlist("members") if self.is_bound else []  # type: ignore[attr-defined]  # a QueryDict
        chosen = [*self.initial.get("members", ()), *sent]
        members = _member_choices(organization, chosen, search)
        self.fields["members"].choices = members  # type: ignore[attr-defined]
        if not members:
            del self.fields["members"]
        endpoints = _endpoint_choices(organization)
        self.fields["endpoints"].choices = endpoints  # type: ignore[attr-defined]
        if not endpoints:
            del self.fields["endpoints"]

    def clean_addresses(self) -> list[str]:
        """Return the addresses without repetitions; refuse invalid ones."""
        lines = self.cleaned_data["addresses"].replace(",", "\n").split()
        addresses = list(dict.fromkeys(lines))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                message = f"{address} is not a valid email address."
                raise ValidationError(message) from None
        if len(addresses) > _MAX_ADDRESSES:
            raise ValidationError(
                f"Enter at most {_MAX_ADDRESSES} addresses."
                " To reach more people, use the address of a mailing list."
            )
        return addresses


def _member_choices(
    organization: Organization, chosen: Sequence[str], search: str
) -> list[tuple[str, str]]:
    """Return the members to choose from: those that are chosen, then those found.

    An organization may have 100,000 members: the others are found by a search.
    """
    rows = Member.objects.filter(organization=organization, deleted_at=None)
    rows = rows.exclude(email="")
    ids = [int(id_) for id_ in chosen if row_id(id_)]
    matching = rows.exclude(pk__in=ids)
    for word in search.split():
        matching = matching.filter(search_text__key_contains=word)
    members = [
        *rows.filter(pk__in=ids).order_by("name", "email", "id"),
        *matching.order_by("-added_at", "-id")[:_MEMBERS_FOUND],
    ]
    return [
        (str(member.pk), f"{member.name or member.email} · {member.email}")
        for member in members
    ]


def _endpoint_choices(organization: Organization) -> list[tuple[str, str]]:
    rows = endpoints_of(organization).order_by("id")
    return [(str(row.pk), f"{row} · {row.get_kind_display()}") for row in rows]
