"""Forms of endpoints, and the checks of their input that the API shares."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.html import format_html

from billing.models import WebhookEndpoint
from billing.models.webhooks import MAX_URL, EndpointKind
from billing.webhooks.commands.endpoints import PAGERDUTY_URL, IncomingEndpoint
from billing.webhooks.event_types import (
    ALL,
    EVENT_TYPES,
    allowed_types,
    selects,
    unknown_types,
)
from orgs.errors import UrlNotAllowed
from orgs.models import WhiteLabel
from orgs.outbound import check_url

_MAX_NOTE, _MAX_SECRET = 1_000, 200
_INSTANT = forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


def checked_url(text: str) -> str:
    """Return a URL that may be contacted; raise `UrlNotAllowed`, naming the field.

    May resolve a name: call it outside transactions.
    """
    try:
        return check_url(text)
    except UrlNotAllowed as error:
        raise UrlNotAllowed(error.message, fields=("url",)) from None


def first_type(endpoint: WebhookEndpoint) -> str:
    """Return the first event type that an endpoint gets, for its test."""
    types, kind = endpoint.event_types, endpoint.kind
    return next(key for key in allowed_types(kind) if selects(types, key, kind))


_Choice = tuple[str, str]


def _type_choices(
    kind: str = EndpointKind.WEBHOOK,
) -> list[tuple[str, list[_Choice]]]:
    """Return the event types with what they report, grouped by what they are about."""
    groups: dict[str, list[_Choice]] = {
        "Everything": [(ALL, "All event types, future ones included")]
    }
    for key in allowed_types(kind):
        group = key.partition(".")[0].capitalize()
        text = format_html(
            "<span>{} <code>{}</code></span>", EVENT_TYPES[key].description, key
        )
        groups.setdefault(group, []).append((key, text))
    return list(groups.items())


class NoteForm(forms.Form):
    """The reason for a change."""

    note = forms.CharField(
        max_length=_MAX_NOTE,
        label="Reason",
        help_text="Kept permanently in the history.",
    )


class _TargetForm(NoteForm):
    """The fields of an endpoint that can be changed, and the reason."""

    url = forms.CharField(
        max_length=MAX_URL,
        label="URL",
        widget=forms.URLInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = forms.CharField(
        max_length=_MAX_SECRET,
        required=False,
        label="Routing key",
        help_text="PagerDuty needs it: the integration key of Events API v2. Leave it"
        " empty for other kinds.",
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    description = forms.CharField(max_length=200, required=False)
    event_types = forms.MultipleChoiceField(
        label="Event types",
        widget=forms.CheckboxSelectMultiple({"class": "checkbox-groups"}),
    )

    def _check_url(self, stored: str | None = None) -> str:
        url: str = self.cleaned_data["url"]
        if url == stored:
            return url
        try:
            return check_url(url)
        except UrlNotAllowed as error:
            raise forms.ValidationError(error.message) from None


class NewEndpointForm(_TargetForm):
    """A new endpoint of one of these white labels."""

    white_label = forms.ModelChoiceField(WhiteLabel.objects.none())
    kind = forms.ChoiceField(choices=EndpointKind.choices)
    field_order = (
        *("white_label", "kind", "url", "secret", "description", "event_types"),
        "note",
    )
    use_required_attribute = False  # the kind decides which fields are required

    def __init__(
        self, *args: Any, white_labels: list[WhiteLabel] | None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields["event_types"].choices = _type_choices()  # type: ignore[attr-defined]
        kind = self.data.get(self.add_prefix("kind"))
        self.fields["url"].required = kind != EndpointKind.PAGERDUTY
        self.fields["url"].help_text = (
            "Webhook, Slack, and Microsoft Teams need it; it begins with https://."
            " Leave it empty for the address of PagerDuty."
        )
        if white_labels is None:  # the page of an organization
            del self.fields["white_label"]
            return
        ids = [label.pk for label in white_labels]
        field = self.fields["white_label"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  for the types
        field.queryset = WhiteLabel.objects.filter(pk__in=ids).order_by("name")
        if len(ids) == 1:
            field.initial = ids[0]

    def clean_url(self) -> str:
        """Return the URL, or that of PagerDuty; refuse others than may be contacted."""
        kind = self.data.get(self.add_prefix("kind"))
        if not self.cleaned_data["url"] and kind == EndpointKind.PAGERDUTY:
            return PAGERDUTY_URL
        return self._check_url()

    def clean(self) -> dict[str, Any]:
        """Refuse event types that the kind of endpoint does not get."""
        data = super().clean() or {}
        kind = data.get("kind", "")
        if unknown := unknown_types(data.get("event_types", ()), kind):
            message = f"This kind of endpoint cannot get {unknown[0]}."
            self.add_error("event_types", message)
        if kind == EndpointKind.PAGERDUTY and not data.get("secret"):
            self.add_error("secret", "Enter the routing key of the integration.")
        return data

    def endpoint(self) -> IncomingEndpoint:
        """Return the endpoint of valid input."""
        data = self.cleaned_data
        names = ("kind", "url", "event_types", "description", "secret")
        return IncomingEndpoint(*(data[name] for name in names))


class EndpointForm(_TargetForm):
    """Changes of an endpoint. Its stored secret is never shown."""

    field_order = ("url", "secret", "description", "event_types", "note")

    def __init__(self, *args: Any, endpoint: WebhookEndpoint, **options: Any) -> None:
        options["initial"] = {
            "url": endpoint.url,
            "description": endpoint.description,
            "event_types": endpoint.event_types,
        }
        super().__init__(*args, **options)
        self.endpoint = endpoint
        choices = _type_choices(endpoint.kind)
        self.fields["event_types"].choices = choices  # type: ignore[attr-defined]
        if endpoint.kind == EndpointKind.PAGERDUTY:
            self.fields["secret"].help_text = "Leave empty to keep the stored key."
        else:
            del self.fields["secret"]

    def clean_url(self) -> str:
        """Return the URL; a masked one stays as it is stored."""
        return self._check_url(self.endpoint.url)

    def values(self) -> dict[str, Any]:
        """Return the changed fields of valid input."""
        names = {*self.fields} - {"note"}
        return {name: self.cleaned_data[name] for name in names}


class ReplayForm(forms.Form):
    """The range of a replay, in the time zone of the white label."""

    start = forms.DateTimeField(label="From", widget=_INSTANT)
    end = forms.DateTimeField(label="To (not included)", widget=_INSTANT)
    includes_delivered = forms.BooleanField(
        required=False, label="Also what the endpoint has accepted"
    )

    def __init__(self, *args: Any, zone: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.zone = ZoneInfo(zone)
        self.fields["end"].help_text = f"Times are in {zone}."

    def clean(self) -> dict[str, Any]:
        """Read the times in the zone; refuse an end before the start."""
        data = super().clean() or {}
        for name in ("start", "end"):
            if name in data:
                data[name] = self._in_zone(data[name])
        if "start" in data and "end" in data and data["end"] <= data["start"]:
            self.add_error("end", "The end must be after the start.")
        return data

    def _in_zone(self, value: datetime) -> datetime:
        """Return the local time that was entered, which Django read as UTC."""
        return value.astimezone(UTC).replace(tzinfo=self.zone)
