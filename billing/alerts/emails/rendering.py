"""Rendering of emails: the templates in templates/billing/alerts/emails/KIND."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

from billing.alerts.emails.links import alerts_url
from orgs.colors import palette
from orgs.queries.branding import Branding
from orgs.web.templatetags.display import instant

_MAX_SUBJECT = 150  # characters of a subject; email clients show fewer


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """The subject, text and HTML of one email to one address."""

    subject: str
    text: str
    html: str


def render_email(
    folder: str,
    context: Mapping[str, Any],
    *,
    url: str,
    unsubscribe_url: str = "",
    branding: Branding | None = None,
) -> RenderedEmail:
    """Render an email whose button leads to `url`.

    Emails of mandatory kinds have no `unsubscribe_url`. `branding` is that of now: a
    replaced logo is also shown in an email that is sent again.
    """
    full_context = {
        **context,
        "folder": folder,
        "url": url,
        "unsubscribe_url": unsubscribe_url,
        "reached_text": instant(context["reached_at"], context["zone"]),
        "branding": branding,
        **palette(),
    }
    for part in full_context.get("parts", ()):
        part["url"] = alerts_url(part["organization_id"])
    subject = " ".join(
        render_to_string(
            f"billing/alerts/emails/{folder}/subject.txt", full_context
        ).split()
    )
    full_context["subject_text"] = subject
    text = render_to_string(f"billing/alerts/emails/{folder}/body.txt", full_context)
    return RenderedEmail(
        subject=subject[:_MAX_SUBJECT],
        text=_tidy(text),
        html=render_to_string(
            f"billing/alerts/emails/{folder}/body.html", full_context
        ),
    )


def _tidy(text: str) -> str:
    """Collapse repeated empty lines, and remove them at both ends."""
    lines: list[str] = []
    for line in (raw.rstrip() for raw in text.strip().splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines) + "\n"
