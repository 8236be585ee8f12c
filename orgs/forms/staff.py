"""Forms of accounts of staff."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator

from orgs.commands.staff import Access
from orgs.models import WhiteLabel
from orgs.web.edits import EditForm


class _AccessFields(forms.Form):
    """What an account may do."""

    roles = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple
    )
    white_label = forms.ChoiceField(
        required=False,
        help_text="Limits access to one white label.",
    )
    is_superuser = forms.BooleanField(
        required=False,
        label="Superuser",
        help_text="May do everything, and manages accounts.",
    )

    def set_choices(self, labels: Mapping[str, WhiteLabel]) -> None:
        """Offer the roles of the installation, and these white labels by slug."""
        roles, label = self.fields["roles"], self.fields["white_label"]
        assert isinstance(roles, forms.MultipleChoiceField)  # noqa: S101  for the types
        assert isinstance(label, forms.ChoiceField)  # noqa: S101  for the types
        names = Group.objects.order_by("name").values_list("name", flat=True)
        roles.choices = [(name, name.capitalize()) for name in names]
        every = [(slug, f"{row.name} ({slug})") for slug, row in labels.items()]
        label.choices = [("", "All white labels"), *every]
        self.labels = labels

    @property
    def access(self) -> Access:
        """What the valid form states."""
        data = self.cleaned_data
        return Access(
            roles=data["roles"],
            white_label=self.labels.get(data["white_label"]),
            is_superuser=data["is_superuser"],
            is_active=data.get("is_active", True),
        )


class InvitationForm(_AccessFields):
    """A new account: the person chooses the password."""

    email = forms.EmailField(max_length=254)
    name = forms.CharField(max_length=200, required=False)
    username = forms.CharField(
        max_length=150,
        required=False,
        validators=[UnicodeUsernameValidator()],
        help_text="Leave empty for the email address.",
    )
    field_order = ("email", "name", "username", "roles", "white_label", "is_superuser")

    def __init__(
        self, data: Any = None, *, labels: Mapping[str, WhiteLabel], **options: Any
    ) -> None:
        super().__init__(data, **options)
        self.set_choices(labels)


class StaffAccessForm(EditForm, _AccessFields):
    """What an account may do, and whether it may log in."""

    is_active = forms.BooleanField(
        required=False, label="Active", help_text="Inactive accounts cannot log in."
    )

    def __init__(
        self, data: Any = None, *, labels: Mapping[str, WhiteLabel], **options: Any
    ) -> None:
        super().__init__(data, **options)
        self.set_choices(labels)
        self.order_fields(["roles", "white_label", "is_superuser", "is_active"])
