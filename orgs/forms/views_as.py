"""The form that starts a view as another account."""

from typing import Any

from django import forms

from orgs.models import Organization, User, WhiteLabel
from orgs.models.fields import validate_text
from orgs.queries.views_as import find_viewable_account

_LONGEST_REASON = 1_000


class ViewAsForm(forms.Form):
    """The account that staff want to see Orgdesk as, and why.

    Without an account it is the customer page of the organization.
    """

    account = forms.CharField(
        max_length=150,
        required=False,
        label="Account of the white label",
        widget=forms.TextInput({"list": "accounts", "autocomplete": "off"}),
    )
    reason = forms.CharField(
        max_length=_LONGEST_REASON,
        validators=[validate_text],
        help_text="Kept in the history and the security log.",
    )

    def __init__(
        self, data: Any = None, *, label: WhiteLabel, organization: Organization | None
    ) -> None:
        super().__init__(data)
        self.label = label
        field = self.fields["account"]
        field.required = organization is None
        if organization is not None:
            field.help_text = (
                "Leave empty to see the customer page, as a member of the organization."
            )

    def clean_account(self) -> User | None:
        """Return the account; one of another white label does not exist."""
        name = self.cleaned_data["account"]
        account = find_viewable_account(self.label, name) if name else None
        if name and account is None:
            raise forms.ValidationError(
                "This white label has no active account of this name."
            )
        return account
