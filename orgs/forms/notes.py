"""The form of notes about organizations."""

from typing import Any

from django import forms

from orgs.models import Note


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]  # not at run time
    """A note about an organization; `version` is that of the text being changed."""

    ticket_url = forms.URLField(
        required=False, max_length=500, assume_scheme="https", label="Ticket link"
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Note
        fields = ("text", "ticket_url", "is_pinned")
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}
        labels = {
            "text": "Note",
            "is_pinned": "Pin it above all tabs of the organization",
        }

    @staticmethod
    def initial_of(note: Note) -> dict[str, Any]:
        """Return the values of a note that the form begins with."""
        names = ("text", "ticket_url", "is_pinned", "version")
        return {name: getattr(note, name) for name in names}

    @property
    def note(self) -> dict[str, Any]:
        """What the valid form says of the note."""
        return {name: self.cleaned_data[name] for name in self.Meta.fields}

    def renew_version(self, note: Note) -> None:
        """Take the current version, after its text was shown beside the typed one."""
        self.data = {**self.data.dict(), "version": note.version}  # type: ignore[attr-defined]  # a QueryDict
