"""Limits, recipients and quiet times, as people write them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from billing.models import AlertRecipient, AlertSettings, SpendingLimit
from billing.models.accounts import MONEY_DIGITS, MONEY_PLACES
from orgs.models import Member, Organization

_MOST = 50  # extra addresses
_MOST_MEMBERS = 200
_QUIET = {"24": "One day", "72": "Three days", "168": "One week", "0": "Not at all"}


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
    """What would fire if so much were spent in the open period."""

    spend = _amount("If this period had cost", required=True)


class LimitsForm(forms.Form):
    """Both spending limits; empty or 0 is none."""

    soft = _amount("Soft limit")
    hard = _amount("Hard limit")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        soft, hard = data.get("soft"), data.get("hard")
        if soft and hard and soft > hard:
            self.add_error("soft", "It is above the hard limit: nobody would hear it.")
        return data


def limits_of(organization: Organization) -> dict[str, str]:
    """What the form shows at first."""
    rows = SpendingLimit.objects.filter(organization=organization, amount__gt=0)
    return {
        kind: f"{amount.normalize():f}"
        for kind, amount in rows.values_list("kind", "amount")
        if amount
    }


class QuietForm(forms.Form):
    """For how long nobody is told."""

    hours = forms.ChoiceField(label="Tell nobody for", choices=list(_QUIET.items()))

    @property
    def length(self) -> timedelta | None:
        hours = int(self.cleaned_data["hours"])
        return timedelta(hours=hours) if hours else None


class RecipientsForm(forms.Form):
    """Who is told: the billing e-mail, members, addresses one a line."""

    tells_billing_email = forms.BooleanField(required=False)
    members = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple
    )
    addresses = forms.CharField(
        label="More addresses",
        required=False,
        max_length=_MOST * 255,
        widget=forms.Textarea({"rows": 3, "autocomplete": "off"}),
        help_text="One a line.",
    )

    def __init__(self, *args: Any, organization: Organization, **kw: Any) -> None:
        super().__init__(*args, **kw)
        own = organization.billing_email or "none is set"
        self.fields["tells_billing_email"].label = f"The billing e-mail, {own}"
        known = _members(organization)
        self.fields["members"].choices = known  # type: ignore[attr-defined]
        if not known:
            del self.fields["members"]

    def clean_addresses(self) -> list[str]:
        lines = self.cleaned_data["addresses"].replace(",", "\n").split()
        found = list(dict.fromkeys(lines))
        for address in found:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(f"{address} is no e-mail address.") from None
        if len(found) > _MOST:
            raise ValidationError(f"At most {_MOST}: a list of your own carries more.")
        return found


def _members(organization: Organization) -> list[tuple[str, str]]:
    rows = Member.objects.filter(organization=organization, deleted_at=None)
    known = rows.exclude(email="").order_by("name", "email", "id")
    return [
        (str(id_), f"{name or email} · {email}")
        for id_, name, email in known.values_list("id", "name", "email")[:_MOST_MEMBERS]
    ]


def recipients_of(organization: Organization) -> dict[str, Any]:
    """What the form shows at first."""
    settings = AlertSettings.objects.filter(organization=organization).first()
    rows = AlertRecipient.objects.filter(organization=organization).order_by("id")
    return {
        "tells_billing_email": settings is None or settings.tells_billing_email,
        "members": [str(row.member_id) for row in rows if row.member_id],
        "addresses": "\n".join(row.address for row in rows if row.address),
    }
