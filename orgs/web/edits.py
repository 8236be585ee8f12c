"""Forms that change something: a reason, editors who do not overwrite, and undo.

A form that changes a record inherits `EditForm`. Its hidden field `before` is a proof
of the values that the form began with: if they are others when it is saved, another
person has changed them meanwhile, and nothing is written. After it is saved,
`offer_undo` keeps the old values in the session for `UNDO_SECONDS`.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from django import forms

from orgs.commands.proofs import (
    ChangedMeanwhile,
    Values,
    is_signed,
    sign_values,
    values_as_json,
)
from orgs.errors import DomainError, SecretUnreadable
from orgs.web.http import OrgRequest
from orgs.web.once import decrypt_for_session, encrypt_for_session

UNDO_SECONDS = 10  # that the page offers it
_GRACE_SECONDS = 5  # for the way to the server
_LONGEST_REASON = 1_000
_SESSION_KEY, _PURPOSE = "undo", "undo"


class ProvenForm(forms.Form):
    """A form with a proof of the current `values` of what it changes.

    `initial` are the values that its fields begin with.
    """

    # Without an id: a page may have several of these forms.
    before = forms.CharField(required=False, widget=forms.HiddenInput({"id": False}))

    def __init__(
        self,
        data: Any = None,
        *,
        values: Values,
        initial: Values | None = None,
        **options: Any,
    ) -> None:
        begun = {**(initial or {}), "before": sign_values(values)}
        super().__init__(data, initial=begun, **options)
        self.values = values

    def require_unchanged(self) -> None:
        """Raise `ChangedMeanwhile` if the form began with other values.

        The form then takes the current ones, so that saving it again overwrites them.
        """
        if not is_signed(self.cleaned_data["before"], self.values):
            self.renew_proof()
            raise ChangedMeanwhile

    def renew_proof(self) -> None:
        """Take the current values as those that the form begins with."""
        data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict or dict
        data["before"] = sign_values(self.values)
        self.data = data


class EditForm(ProvenForm):
    """The fields that every change has; `changes` are those of the record.

    `values` are the current ones of the record, in the types of the form's fields. A
    preview needs no reason.
    """

    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        widget=forms.Textarea({"rows": 2}),
        help_text="Kept in the history. A link to a ticket can be opened there.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        values: Values,
        is_preview: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, values=values, initial=values, **options)
        if is_preview:
            self.fields["reason"].required = False
        self.order_fields([n for n in self.fields if n not in {"reason", "before"}])

    @property
    def changes(self) -> dict[str, Any]:
        """The values of the record that the valid form states."""
        return {name: self.cleaned_data[name] for name in self.values}


def show_error(form: forms.Form, error: DomainError) -> None:
    """Show an error at its field if the form has it, else above the form.

    A `ProvenForm` that began with other values takes the current ones.
    """
    [field, *_] = [*(error.fields or ()), ""]
    message = error.message.removeprefix(f"{field}: ")
    form.add_error(field if field in form.fields else None, message)
    if isinstance(form, ProvenForm) and isinstance(error, ChangedMeanwhile):
        form.renew_proof()


@dataclass(frozen=True, slots=True)
class Undo:
    """A change that can be undone: what it changed, and the values before and after.

    The values are as JSON has them.
    """

    subject: str
    before: dict[str, Any]
    proof_of_after: str


def offer_undo(
    request: OrgRequest, subject: str, before: Values, after: Values
) -> None:
    """Keep the old values for some seconds; only this person's session has them."""
    undo = {
        "subject": subject,
        "before": json.loads(values_as_json(before)),
        "after": sign_values(after),
        "until": time.time() + UNDO_SECONDS + _GRACE_SECONDS,
    }
    secret = json.dumps(undo)
    request.session[_SESSION_KEY] = encrypt_for_session(request, _PURPOSE, secret)


def offered_undo(request: OrgRequest, subject_prefix: str) -> Undo | None:
    """Return what can be undone of these subjects, or None."""
    stored = request.session.get(_SESSION_KEY)
    if not stored:
        return None
    try:
        undo = json.loads(decrypt_for_session(request, _PURPOSE, stored))
    except SecretUnreadable:  # its encryption key was removed meanwhile
        return None
    if undo["until"] < time.time() or not undo["subject"].startswith(subject_prefix):
        return None
    return Undo(undo["subject"], undo["before"], undo["after"])


def withdraw_undo(request: OrgRequest) -> None:
    """Forget what could be undone."""
    request.session.pop(_SESSION_KEY, None)
