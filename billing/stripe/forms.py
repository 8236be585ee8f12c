"""What a person says of an action, each checked before anything is asked for.

A form says what it asks in `parameters` (a row keeps them) and in `words` (for people).
"""

import re
import secrets
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.models import BillingAccount, Invoice, Price, StripeAction, Subscription
from billing.stripe.queries.actions import ActionContext
from orgs.days import first_instant
from orgs.models import Organization
from orgs.web.templatetags.display import day_year, money

Kind = StripeAction.Kind
_LONGEST_NOTE = 1_000
_LONGEST_TRIAL, _LONGEST_DUE, _MOST_SEATS = 730, 90, 100_000
_FURTHEST, _A_DAY = timedelta(days=5 * 366), timedelta(days=1)
_SHOWN_FOR = timedelta(hours=1)  # a preview's numbers are of its instant
_CUSTOMER = re.compile(r"cus_[A-Za-z0-9_]{1,250}")
NOW, PERIOD_END, ON_DATE, UNDO = "now", "period_end", "date", "undo"


def price_label(price: Price) -> str:
    """Return `Growth, monthly: $29.00 per seat`."""
    amount = "price set in Stripe"
    if price.unit_amount is not None:
        amount = money(price.unit_amount, price.currency)
    per = " per seat" if price.kind == Subscription.Kind.SPACES else ""
    return f"{price.tier.title()}, {price.cycle}: {amount}{per}"


class ActionForm(forms.Form):
    """Why, whatever is asked; and a word of the form's own, so that twice is once."""

    note = forms.CharField(
        max_length=_LONGEST_NOTE,
        label="Note",
        widget=forms.Textarea({"rows": 2}),
        help_text="Why you make this change. Kept permanently in the history.",
    )
    form = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        now: ActionContext,
        subscription: Subscription | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(*args, **kw)
        self.organization, self.now = organization, now
        self.given = subscription
        self.initial.setdefault("form", secrets.token_hex(16))
        self.order_fields([name for name in self.fields if name != "note"])
        self.fill()

    def fill(self) -> None:
        """Choices and first values, of what there is."""

    @property
    def subscription(self) -> Subscription:
        if self.given is None:
            raise AssertionError("of a subscription")
        return self.given

    def choose(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the types
        field.choices = list(choices)

    def parameters(self) -> dict[str, Any]:
        return {"subscription": self.subscription.stripe_id}

    def words(self) -> str:
        return ""

    def due_at(self) -> datetime | None:
        """Later, for what is planned."""
        return None

    def start_of(self, day: date) -> datetime:
        """The white label's midnight."""
        return first_instant(day, self.organization.white_label.zone)

    def day(self, at: datetime | None) -> date | None:
        return at and at.astimezone(self.organization.white_label.zone).date()

    def check_future(self, name: str) -> datetime:
        """The day's beginning; raises where it is not to come, or far off."""
        day = self.cleaned_data.get(name)
        if day is None:
            raise ValidationError({name: "Choose a date."})
        now = timezone.now()
        is_near = day < (now + _FURTHEST).date()  # the calendar's ends have no midnight
        if day <= now.date() - _A_DAY or not is_near or self.start_of(day) <= now:
            raise ValidationError({name: "Choose a future date within five years."})
        return self.start_of(day)


def _day_field(label: str) -> forms.DateField:
    return forms.DateField(
        required=False,
        label=label,
        help_text="For “On a date” only. Takes effect at the start of that day.",
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )


# --- customers ----------------------------------------------------------------------


class CreateCustomerForm(ActionForm):
    email = forms.EmailField(
        label="Email", help_text="Stripe sends invoices and receipts to this address."
    )

    def fill(self) -> None:
        self.initial.setdefault("email", self.organization.billing_email)

    def parameters(self) -> dict[str, Any]:
        return {"email": self.cleaned_data["email"]}

    def words(self) -> str:
        return f"Email: {self.cleaned_data['email']}."


class SearchForm(forms.Form):
    """A customer is looked for by its whole e-mail: nobody browses strangers."""

    email = forms.EmailField(label="Email in Stripe")


class LinkCustomerForm(ActionForm):
    customer = forms.CharField(
        max_length=255,
        widget=forms.HiddenInput,
        error_messages={"required": "Choose a customer."},
    )

    def clean_customer(self) -> str:
        """Whose a taken one is stays unsaid: it may be another white label's."""
        id_: str = self.cleaned_data["customer"]
        if not _CUSTOMER.fullmatch(id_):
            raise ValidationError("Enter a valid customer ID.")
        if BillingAccount.objects.filter(stripe_id=id_).exists():
            raise ValidationError("This customer belongs to another organization.")
        return id_

    def parameters(self) -> dict[str, Any]:
        return {"customer": self.cleaned_data["customer"]}

    def words(self) -> str:
        return f"{self.cleaned_data['customer']}."


class UnlinkCustomerForm(ActionForm):
    def parameters(self) -> dict[str, Any]:
        return {"customer": self.now.customer_id}

    def words(self) -> str:
        return f"{self.now.customer_id}."


# --- subscriptions ------------------------------------------------------------------


class StartForm(ActionForm):
    price = forms.ChoiceField()
    seats = forms.IntegerField(
        min_value=1,
        max_value=_MOST_SEATS,
        required=False,
        help_text="Spaces only.",
    )
    trial_days = forms.IntegerField(
        min_value=1,
        max_value=_LONGEST_TRIAL,
        required=False,
        label="Trial days",
        help_text="Leave empty for no trial.",
    )
    days_until_due = forms.IntegerField(
        min_value=1,
        max_value=_LONGEST_DUE,
        required=False,
        label="Payment terms (days)",
        help_text="Invoices are emailed. Leave empty to charge the saved card.",
    )

    def fill(self) -> None:
        groups = {price.kind: price.get_kind_display() for price in self.now.startable}
        self.choose(
            "price",
            [
                (price.stripe_id, f"{groups[price.kind]} · {price_label(price)}")
                for price in self.now.startable
            ],
        )
        if Subscription.Kind.SPACES not in groups:
            del self.fields["seats"]

    @property
    def sold(self) -> Price:
        wanted = self.cleaned_data["price"]
        return next(one for one in self.now.startable if one.stripe_id == wanted)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "price" in data:
            is_spaces = self.sold.kind == Subscription.Kind.SPACES
            if is_spaces and not data.get("seats") and "seats" not in self.errors:
                self.add_error("seats", "Enter the number of seats.")
            if not is_spaces and data.get("seats"):
                self.add_error("seats", "Platform subscriptions have no seats.")
        return data

    def parameters(self) -> dict[str, Any]:
        data, days = self.cleaned_data, self.cleaned_data["trial_days"]
        ends_at = timezone.now().replace(microsecond=0) + timedelta(days=days or 0)
        return {
            "customer": self.now.customer_id,
            "price": data["price"],
            "seats": data.get("seats"),
            "trial_ends_at": ends_at.isoformat() if days else None,
            "days_until_due": data["days_until_due"],
        }

    def words(self) -> str:
        data = self.cleaned_data
        seats = f", {data['seats']} seats" if data.get("seats") else ""
        days = data["trial_days"]
        trial = f"{days}-day trial" if days else "no trial"
        return f"{price_label(self.sold)}{seats}, {trial}."


class TierChoice(forms.Form):
    """What a change is previewed for."""

    price = forms.ChoiceField(label="New price")
    when = forms.ChoiceField(
        choices=[(NOW, "Now, prorated"), (PERIOD_END, "At period end")],
        initial=NOW,
    )


class SeatsChoice(forms.Form):
    seats = forms.IntegerField(min_value=1, max_value=_MOST_SEATS)


class _Previewed(ActionForm):
    """Asked for as it was shown: with the instant of the preview."""

    proration_at = forms.DateTimeField(
        widget=forms.HiddenInput,
        required=False,
        input_formats=["%Y-%m-%dT%H:%M:%S%z"],
    )
    shown: ClassVar[tuple[str, ...]] = ()

    def fill(self) -> None:
        for name in self.shown:
            self.fields[name].widget = forms.HiddenInput()

    def check_shown(self) -> None:
        at = self.cleaned_data.get("proration_at")
        if at is None or abs(timezone.now() - at) > _SHOWN_FOR:
            raise ValidationError(
                "Preview the change again: a preview is valid for one hour."
            )

    def parameters(self) -> dict[str, Any]:
        at = self.cleaned_data.get("proration_at")
        return {
            **super().parameters(),
            "from_price": self.subscription.stripe_price_id,
            "proration_at": at.isoformat() if at else None,
        }


class ChangeTierForm(_Previewed, TierChoice):
    shown = ("price", "when")

    def fill(self) -> None:
        self.choose("price", tier_choices(self.now, self.subscription))
        super().fill()

    @property
    def sold(self) -> Price:
        wanted = self.cleaned_data["price"]
        return next(one for one in self.now.prices if one.stripe_id == wanted)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not {"price", "when"} <= data.keys():
            raise ValidationError("Preview the change first.")
        if data["when"] == NOW:
            self.check_shown()
        elif problem := late_problem(self.sold, self.subscription):
            raise ValidationError(problem)
        return data

    def parameters(self) -> dict[str, Any]:
        ends_at = self.subscription.period_ends_at
        return {
            **super().parameters(),
            "price": self.cleaned_data["price"],
            "when": self.cleaned_data["when"],
            "period_ends_at": ends_at.isoformat() if ends_at else None,
        }

    def words(self) -> str:
        when = "now" if self.cleaned_data["when"] == NOW else "at period end"
        return f"To {price_label(self.sold)}, {when}."

    def due_at(self) -> datetime | None:
        """An hour before the period ends: the next invoice has the new price."""
        ends_at = self.subscription.period_ends_at
        if self.cleaned_data["when"] == NOW or ends_at is None:
            return None
        return max(timezone.now(), ends_at - _BEFORE_END)


_BEFORE_END = timedelta(hours=1)


def tier_choices(
    now: ActionContext, subscription: Subscription
) -> list[tuple[str, str]]:
    return [
        (price.stripe_id, price_label(price))
        for price in now.alternatives(subscription)
    ]


def late_problem(price: Price, subscription: Subscription) -> str:
    """Why this price cannot wait for the period's end; empty: it can."""
    if price.cycle != subscription.cycle:
        return "A different billing cycle starts a new period. Choose Now."
    ends_at = subscription.period_ends_at
    if ends_at is None or ends_at <= timezone.now():
        return "The end of the period is unknown. Run a sync first."
    return ""


class SeatsForm(_Previewed, SeatsChoice):
    shown = ("seats",)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("seats") == self.subscription.seats:
            raise ValidationError("The subscription already has this many seats.")
        self.check_shown()
        return data

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "seats": self.cleaned_data["seats"]}

    def words(self) -> str:
        return f"From {self.subscription.seats} to {self.cleaned_data['seats']} seats."


class TrialEndForm(ActionForm):
    when = forms.ChoiceField(
        choices=[(ON_DATE, "On a date"), (NOW, "Now (charges immediately)")],
        initial=ON_DATE,
        label="Trial ends",
    )
    date = _day_field("Date")

    def fill(self) -> None:
        self.initial.setdefault("date", self.day(self.subscription.trial_ends_at))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("when") == ON_DATE and "date" not in self.errors:
            self.ends_at: datetime | None = self.check_future("date")
        else:
            self.ends_at = None
        return data

    def parameters(self) -> dict[str, Any]:
        at = self.ends_at
        return {
            **super().parameters(),
            "trial_ends_at": at.isoformat() if at else None,
        }

    def words(self) -> str:
        if self.ends_at is None:
            return "Ends now."
        return f"To {day_year(self.cleaned_data['date'])}."


class PauseForm(ActionForm):
    reason = forms.CharField(
        label="Pause reason",
        max_length=200,
        help_text="Shown with the subscription in Orgdesk and in Stripe.",
    )

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "reason": self.cleaned_data["reason"]}

    def words(self) -> str:
        return f"Reason: {self.cleaned_data['reason']}"


class ResumeForm(ActionForm):
    pass


class CancelForm(ActionForm):
    when = forms.ChoiceField(label="When")
    date = _day_field("Date")

    def fill(self) -> None:
        ends_at, planned = (
            self.subscription.period_ends_at,
            self.subscription.cancels_at,
        )
        choices = [(ON_DATE, "On a date")]
        if ends_at and ends_at > timezone.now():
            choices.insert(0, (PERIOD_END, f"At period end, {self._day(ends_at)}"))
        if planned:
            undo = f"Never: undo the cancellation on {self._day(planned)}"
            choices.insert(0, (UNDO, undo))
        self.choose("when", choices)
        self.initial.setdefault("date", self.day(planned or ends_at))

    def _day(self, at: datetime) -> str:
        return day_year(self.day(at))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.ends_at: datetime | None = None
        if data.get("when") == ON_DATE and "date" not in self.errors:
            self.ends_at = self.check_future("date")
        elif data.get("when") == PERIOD_END:
            self.ends_at = self.subscription.period_ends_at
        return data

    def parameters(self) -> dict[str, Any]:
        at = self.ends_at
        return {**super().parameters(), "cancels_at": at.isoformat() if at else None}

    def words(self) -> str:
        if self.ends_at is None:
            return "Cancellation undone."
        return f"Ends on {self._day(self.ends_at)}."


# --- invoices -----------------------------------------------------------------------


class PaymentLinkForm(ActionForm):
    invoice = forms.ChoiceField()

    def fill(self) -> None:
        invoices = self.now.open_invoices
        self.choose("invoice", [(one.stripe_id, _owed(one)) for one in invoices])

    def parameters(self) -> dict[str, Any]:
        return {"invoice": self.cleaned_data["invoice"]}

    def words(self) -> str:
        wanted = self.cleaned_data["invoice"]
        found = (one for one in self.now.open_invoices if one.stripe_id == wanted)
        return f"{_owed(next(found))}."


def _owed(invoice: Invoice) -> str:
    return f"{invoice}: {money(invoice.amount_due, invoice.currency)}"


FORMS: dict[Kind, type[ActionForm]] = {
    Kind.CREATE_CUSTOMER: CreateCustomerForm,
    Kind.LINK_CUSTOMER: LinkCustomerForm,
    Kind.UNLINK_CUSTOMER: UnlinkCustomerForm,
    Kind.START: StartForm,
    Kind.CHANGE_TIER: ChangeTierForm,
    Kind.SEATS: SeatsForm,
    Kind.TRIAL_END: TrialEndForm,
    Kind.PAUSE: PauseForm,
    Kind.RESUME: ResumeForm,
    Kind.CANCEL: CancelForm,
    Kind.PAYMENT_LINK: PaymentLinkForm,
}
