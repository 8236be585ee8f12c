"""The state of the setup guide in the session: whether it is open, what was skipped."""

from collections.abc import Collection
from dataclasses import dataclass

from django.http import HttpRequest

_KEY = "setup"


@dataclass(frozen=True, slots=True)
class OpenedGuide:
    """The guide, with the slug of its white label; empty before there is one."""

    is_open: bool
    white_label: str


def open_guide(request: HttpRequest, white_label: str) -> None:
    """Keep that the guide is open, for this white label."""
    stored = request.session.get(_KEY, {})
    if stored.get("white_label") != white_label:
        skipped = stored.get("skipped", []) if not stored.get("white_label") else []
        request.session[_KEY] = {"white_label": white_label, "skipped": skipped}


def close_guide(request: HttpRequest) -> None:
    """Forget the guide; it can be opened again."""
    request.session.pop(_KEY, None)


def opened_guide(request: HttpRequest) -> OpenedGuide:
    """Return whether the guide is open, for pages that lead back to it."""
    session = getattr(request, "session", None)
    stored = session.get(_KEY) if session is not None else None
    return OpenedGuide(bool(stored), stored["white_label"] if stored else "")


def skip_step(request: HttpRequest, step: str) -> None:
    """Keep that a step was skipped."""
    stored = request.session.get(_KEY, {"white_label": "", "skipped": []})
    skipped = sorted({*stored["skipped"], step})
    request.session[_KEY] = stored | {"skipped": skipped}


def skipped_steps(request: HttpRequest) -> Collection[str]:
    """Return the steps that were skipped."""
    skipped: Collection[str] = request.session.get(_KEY, {}).get("skipped", ())
    return skipped
