"""Forms that request Stripe actions; each validates its input before the request.

A form describes the request twice: in `parameters`, which the action's row stores, and
in `summary`, a sentence for people.
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
_MAX_NOTE_LENGTH = 1_000
_MAX_TRIAL_DAYS, _MAX_DAYS_UNTIL_DUE, _MAX_SEATS = 730, 90, 100_000
_MAX_AHEAD, _ONE_DAY = timedelta(days=5 * 366), timedelta(days=1)
# A preview's amounts are exact for its instant only.
_PREVIEW_LASTS = timedelta(hours=1)
# A scheduled change is made before Stripe creates the next invoice.
_BEFORE_PERIOD_END = timedelta(hours=1)
_CUSTOMER_ID = re.compile(r"cus_[A-Za-z0-9_]{1,250}")
NOW, PERIOD_END, ON_DATE, UNDO = "now", "period_end", "date", "undo"


def price_label(price: Price) -> str:
    """Return the label of a price, such as `Growth, monthly: $29.00 per seat`."""
    amount = "price set in Stripe"
    if price.unit_amount is not None:
        amount = money(price.unit_amount, price.currency)
    per = " per seat" if price.kind == Subscription.Kind.SPACES else ""
    return f"{price.tier.title()}, {price.cycle}: {amount}{per}"


class ActionForm(forms.Form):
    """The base of all action forms: a note, and a key that makes resending harmless.

    The key is drawn when the form is shown. A form that is sent twice requests its
    action once.
    """

    note = forms.CharField(
        max_length=_MAX_NOTE_LENGTH,
        label="Note",
        widget=forms.Textarea({"rows": 2}),
        help_text="Why you make this change. Kept permanently in the history.",
    )
    idempotency_key = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        context: ActionContext,
        subscription: Subscription | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.organization, self.context = organization, context
        self._subscription = subscription
        self.initial.setdefault("idempotency_key", secrets.token_hex(16))
        self.order_fields([name for name in self.fields if name != "note"])
        self.prepare_fields()

    def prepare_fields(self) -> None:
        """Set choices and initial values from the organization's current state."""

    @property
    def subscription(self) -> Subscription:
        """The subscription that the action changes; an error for other kinds."""
        if self._subscription is None:
            raise AssertionError("This kind of action has no subscription.")
        return self._subscription

    def set_choices(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  for the types
        field.choices = list(choices)

    def parameters(self) -> dict[str, Any]:
        return {
            "subscription": self.subscription.stripe_id,
            "subscription_kind": self.subscription.kind,
        }

    def summary(self) -> str:
        return ""

    def joint_verb(self) -> str:
        """Return what the action does to the whole subscription in Stripe.

        Empty: it changes only the items of one kind.
        """
        return ""

    @property
    def joint_effects(self) -> list[str]:
        """A sentence for each other kind that the same subscription in Stripe sells."""
        verb = self.joint_verb()
        return [
            f"This also {verb} {row.tier.title()} ({row.get_kind_display()}):"
            " Stripe has both in one subscription."
            for row in (self.context.joined_to(self.subscription) if verb else ())
        ]

    def full_summary(self) -> str:
        """Return the summary, with what else the action changes."""
        return " ".join([self.summary(), *self.joint_effects]).strip()

    def due_at(self) -> datetime | None:
        """Return when a scheduled action is due; null means immediately."""
        return None

    def day_start(self, day: date) -> datetime:
        """Return the start of the day in the white label's time zone."""
        return first_instant(day, self.organization.white_label.zone)

    def local_day(self, at: datetime | None) -> date | None:
        return at and at.astimezone(self.organization.white_label.zone).date()

    def require_future_day(self, name: str) -> datetime:
        """Return the start of the day in this field.

        Raises `ValidationError` if it is missing, not in the future or more than five
        years ahead. Both ends are compared as dates first: the first and the last day
        of the calendar have no midnight in some time zones.
        """
        day = self.cleaned_data.get(name)
        if day is None:
            raise ValidationError({name: "Choose a date."})
        now = timezone.now()
        is_in_range = now.date() - _ONE_DAY < day < (now + _MAX_AHEAD).date()
        if not is_in_range or self.day_start(day) <= now:
            raise ValidationError({name: "Choose a future date within five years."})
        return self.day_start(day)


def _day_field(label: str) -> forms.DateField:
    return forms.DateField(
        required=False,
        label=label,
        help_text="For “On a date” only. Takes effect at the start of that day.",
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )


class CreateCustomerForm(ActionForm):
    email = forms.EmailField(
        label="Email", help_text="Stripe sends invoices and receipts to this address."
    )

    def prepare_fields(self) -> None:
        self.initial.setdefault("email", self.organization.billing_email)

    def parameters(self) -> dict[str, Any]:
        return {"email": self.cleaned_data["email"]}

    def summary(self) -> str:
        return f"Email: {self.cleaned_data['email']}."


class SearchForm(forms.Form):
    """The search for a customer in Stripe by its exact email address.

    Nothing shorter is accepted, so that the customers of other white labels cannot be
    browsed.
    """

    email = forms.EmailField(label="Email in Stripe")


class LinkCustomerForm(ActionForm):
    customer = forms.CharField(
        max_length=255,
        widget=forms.HiddenInput,
        error_messages={"required": "Choose a customer."},
    )

    def clean_customer(self) -> str:
        """Return the customer's ID; reject one that is linked in the white label.

        One that is linked in another white label is accepted like one that does not
        exist; the action then ends with the same message for both.
        """
        id_: str = self.cleaned_data["customer"]
        if not _CUSTOMER_ID.fullmatch(id_):
            raise ValidationError("Enter a valid customer ID.")
        label = self.organization.white_label_id
        linked = BillingAccount.objects.filter(organization__white_label=label)
        if linked.filter(stripe_id=id_).exists():
            raise ValidationError("This customer belongs to another organization.")
        return id_

    def parameters(self) -> dict[str, Any]:
        return {"customer": self.cleaned_data["customer"]}

    def summary(self) -> str:
        return f"{self.cleaned_data['customer']}."


class UnlinkCustomerForm(ActionForm):
    def parameters(self) -> dict[str, Any]:
        return {"customer": self.context.customer_id}

    def summary(self) -> str:
        return f"{self.context.customer_id}."


class StartForm(ActionForm):
    price = forms.ChoiceField()
    seats = forms.IntegerField(
        min_value=1,
        max_value=_MAX_SEATS,
        required=False,
        help_text="Spaces only.",
    )
    trial_days = forms.IntegerField(
        min_value=1,
        max_value=_MAX_TRIAL_DAYS,
        required=False,
        label="Trial days",
        help_text="Leave empty for no trial.",
    )
    days_until_due = forms.IntegerField(
        min_value=1,
        max_value=_MAX_DAYS_UNTIL_DUE,
        required=False,
        label="Payment terms (days)",
        help_text="Invoices are emailed. Leave empty to charge the saved card.",
    )

    def prepare_fields(self) -> None:
        groups = {
            price.kind: price.get_kind_display() for price in self.context.startable
        }
        self.set_choices(
            "price",
            [
                (price.stripe_id, f"{groups[price.kind]} · {price_label(price)}")
                for price in self.context.startable
            ],
        )
        if Subscription.Kind.SPACES not in groups:
            del self.fields["seats"]

    @property
    def chosen_price(self) -> Price:
        id_ = self.cleaned_data["price"]
        return next(row for row in self.context.startable if row.stripe_id == id_)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "price" in data:
            is_spaces = self.chosen_price.kind == Subscription.Kind.SPACES
            if is_spaces and not data.get("seats") and "seats" not in self.errors:
                self.add_error("seats", "Enter the number of seats.")
            if not is_spaces and data.get("seats"):
                self.add_error("seats", "Platform subscriptions have no seats.")
        return data

    def parameters(self) -> dict[str, Any]:
        data, days = self.cleaned_data, self.cleaned_data["trial_days"]
        ends_at = timezone.now().replace(microsecond=0) + timedelta(days=days or 0)
        return {
            "customer": self.context.customer_id,
            "price": data["price"],
            "seats": data.get("seats"),
            "trial_ends_at": ends_at.isoformat() if days else None,
            "days_until_due": data["days_until_due"],
        }

    def summary(self) -> str:
        data = self.cleaned_data
        seats = f", {data['seats']} seats" if data.get("seats") else ""
        days = data["trial_days"]
        trial = f"{days}-day trial" if days else "no trial"
        return f"{price_label(self.chosen_price)}{seats}, {trial}."


class TierChoice(forms.Form):
    """The new price and the time of a tier change, chosen before its preview."""

    price = forms.ChoiceField(label="New price")
    when = forms.ChoiceField(
        choices=[(NOW, "Now, prorated"), (PERIOD_END, "At period end")],
        initial=NOW,
    )


class SeatsChoice(forms.Form):
    """The new number of seats, chosen before the preview of the change."""

    seats = forms.IntegerField(min_value=1, max_value=_MAX_SEATS)


class _PreviewedForm(ActionForm):
    """The base of forms that request a change exactly as its preview showed it.

    Stripe prorates to the second, so the form carries the instant of the preview. What
    was chosen before the preview is carried in hidden fields.
    """

    proration_at = forms.DateTimeField(
        widget=forms.HiddenInput,
        required=False,
        input_formats=["%Y-%m-%dT%H:%M:%S%z"],
    )
    chosen_fields: ClassVar[tuple[str, ...]] = ()

    def prepare_fields(self) -> None:
        for name in self.chosen_fields:
            self.fields[name].widget = forms.HiddenInput()

    def check_preview_age(self) -> None:
        """Raise `ValidationError` if the preview is missing or expired."""
        at = self.cleaned_data.get("proration_at")
        if at is None or abs(timezone.now() - at) > _PREVIEW_LASTS:
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


class ChangeTierForm(_PreviewedForm, TierChoice):
    chosen_fields = ("price", "when")

    def prepare_fields(self) -> None:
        self.set_choices("price", tier_choices(self.context, self.subscription))
        super().prepare_fields()

    @property
    def chosen_price(self) -> Price:
        id_ = self.cleaned_data["price"]
        return next(row for row in self.context.prices if row.stripe_id == id_)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not {"price", "when"} <= data.keys():
            raise ValidationError("Preview the change first.")
        if data["when"] == NOW:
            self.check_preview_age()
        elif problem := schedule_problem(self.chosen_price, self.subscription):
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

    def summary(self) -> str:
        when = "now" if self.cleaned_data["when"] == NOW else "at period end"
        return f"To {price_label(self.chosen_price)}, {when}."

    def due_at(self) -> datetime | None:
        """Return when the change is made: an hour before the period ends, or now.

        The next invoice then has the new price.
        """
        ends_at = self.subscription.period_ends_at
        if self.cleaned_data["when"] == NOW or ends_at is None:
            return None
        return max(timezone.now(), ends_at - _BEFORE_PERIOD_END)


def tier_choices(
    context: ActionContext, subscription: Subscription
) -> list[tuple[str, str]]:
    """Return the choices of prices that the subscription can change to."""
    return [
        (price.stripe_id, price_label(price))
        for price in context.alternatives(subscription)
    ]


def schedule_problem(price: Price, subscription: Subscription) -> str:
    """Return why the change cannot wait until the period ends; empty if it can."""
    if price.cycle != subscription.cycle:
        return "A different billing cycle starts a new period. Choose Now."
    ends_at = subscription.period_ends_at
    if ends_at is None or ends_at <= timezone.now():
        return "The end of the period is unknown. Run a sync first."
    return ""


class SeatsForm(_PreviewedForm, SeatsChoice):
    chosen_fields = ("seats",)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("seats") == self.subscription.seats:
            raise ValidationError("The subscription already has this many seats.")
        self.check_preview_age()
        return data

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "seats": self.cleaned_data["seats"]}

    def summary(self) -> str:
        return f"From {self.subscription.seats} to {self.cleaned_data['seats']} seats."


class TrialEndForm(ActionForm):
    when = forms.ChoiceField(
        choices=[(ON_DATE, "On a date"), (NOW, "Now (charges immediately)")],
        initial=ON_DATE,
        label="Trial ends",
    )
    date = _day_field("Date")

    def prepare_fields(self) -> None:
        self.initial.setdefault("date", self.local_day(self.subscription.trial_ends_at))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("when") == ON_DATE and "date" not in self.errors:
            self.ends_at: datetime | None = self.require_future_day("date")
        else:
            self.ends_at = None
        return data

    def parameters(self) -> dict[str, Any]:
        at = self.ends_at
        return {
            **super().parameters(),
            "trial_ends_at": at.isoformat() if at else None,
        }

    def summary(self) -> str:
        if self.ends_at is None:
            return "Ends now."
        return f"To {day_year(self.cleaned_data['date'])}."

    def joint_verb(self) -> str:
        return "moves the end of the trial of"


class PauseForm(ActionForm):
    reason = forms.CharField(
        label="Pause reason",
        max_length=200,
        help_text="Shown with the subscription in Orgdesk and in Stripe.",
    )

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "reason": self.cleaned_data["reason"]}

    def summary(self) -> str:
        return f"Reason: {self.cleaned_data['reason']}"

    def joint_verb(self) -> str:
        return "pauses"


class ResumeForm(ActionForm):
    def joint_verb(self) -> str:
        return "resumes"


class CancelForm(ActionForm):
    when = forms.ChoiceField(label="When")
    date = _day_field("Date")

    def prepare_fields(self) -> None:
        ends_at = self.subscription.period_ends_at
        cancels_at = self.subscription.cancels_at
        choices = [(ON_DATE, "On a date")]
        if ends_at and ends_at > timezone.now():
            choices.insert(
                0, (PERIOD_END, f"At period end, {self._day_label(ends_at)}")
            )
        if cancels_at:
            undo = f"Never: undo the cancellation on {self._day_label(cancels_at)}"
            choices.insert(0, (UNDO, undo))
        self.set_choices("when", choices)
        self.initial.setdefault("date", self.local_day(cancels_at or ends_at))

    def _day_label(self, at: datetime) -> str:
        return day_year(self.local_day(at))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.ends_at: datetime | None = None
        if data.get("when") == ON_DATE and "date" not in self.errors:
            self.ends_at = self.require_future_day("date")
        elif data.get("when") == PERIOD_END:
            self.ends_at = self.subscription.period_ends_at
        return data

    def parameters(self) -> dict[str, Any]:
        at = self.ends_at
        return {**super().parameters(), "cancels_at": at.isoformat() if at else None}

    def summary(self) -> str:
        if self.ends_at is None:
            return "Cancellation undone."
        return f"Ends on {self._day_label(self.ends_at)}."

    def joint_verb(self) -> str:
        is_undone = self.is_bound and self.cleaned_data.get("when") == UNDO
        return "keeps" if is_undone else "cancels"


class PaymentLinkForm(ActionForm):
    invoice = forms.MultipleChoiceField(
        label="Invoices", widget=forms.CheckboxSelectMultiple
    )

    def prepare_fields(self) -> None:
        invoices = self.context.open_invoices
        choices = [(row.stripe_id, _amount_due_label(row)) for row in invoices]
        self.set_choices("invoice", choices)
        self.initial.setdefault("invoice", [row.stripe_id for row in invoices])

    @property
    def chosen_invoices(self) -> list[Invoice]:
        """The chosen invoices, the oldest first."""
        ids = self.cleaned_data["invoice"]
        return [row for row in self.context.open_invoices if row.stripe_id in ids]

    def parameters(self) -> dict[str, Any]:
        return {"invoices": [row.stripe_id for row in self.chosen_invoices]}

    def summary(self) -> str:
        return f"{', '.join(map(_amount_due_label, self.chosen_invoices))}."


def _amount_due_label(invoice: Invoice) -> str:
    return f"{invoice}: {money(invoice.amount_remaining, invoice.currency)}"


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
