"""The setup guide: five steps, each with what is done and where the rest is done.

What is done is read from the data. Which steps were skipped, and that the guide is
open, is in the session: other pages then lead back to it.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from billing.setup.queries.progress import Step, StepKey, read_progress
from billing.setup.queries.sample import sample_event
from metrics.queries.first_usage import find_usage
from orgs import access
from orgs.catalog import Scope
from orgs.commands.keys import create_api_key
from orgs.errors import DomainError, Forbidden, NotFound
from orgs.models import WhiteLabel
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.once import keep_secret, take_secret
from orgs.web.setup import close_guide, open_guide, skip_step, skipped_steps

_PAGE, _WAITING = "billing/setup/guide.html", "billing/setup/_first_usage.html"
_KEY_DAYS = 30


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("orgs.add_organization", raise_exception=True)
def setup(request: OrgRequest) -> HttpResponse:
    """Show a step of the guide: the one that is named, or the first that is open.

    POST skips a step (`step=skip`), creates a key for the first event (`step=key`), or
    leaves the guide (`step=leave`).
    """
    labels = access.visible_white_labels(access.principal_of(request.user))
    label = _chosen(request, labels)
    if request.method == "POST":
        return _act(request, label)
    open_guide(request, label.slug if label else "")
    steps = read_progress(label)
    current = _current(request, steps)
    context = {
        **_context(labels, label, steps, current),
        **_of_usage(request, label, current),
        "skipped": skipped_steps(request),
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


@permission_required("orgs.add_organization", raise_exception=True)
def first_usage(request: OrgRequest) -> HttpResponse:
    """Show whether the first usage has arrived; polled until it has."""
    labels = access.visible_white_labels(access.principal_of(request.user))
    label = _chosen(request, labels)
    if label is None:
        return redirect("billing:setup")
    context = {"label": label, **_waiting(label)}
    return page_or_fragment(request, _WAITING, _WAITING, context)


def _chosen(request: OrgRequest, labels: list[WhiteLabel]) -> WhiteLabel | None:
    """Return the white label that is named, else the newest one.

    Raises `NotFound` for one that does not exist or cannot be seen.
    """
    slug = request.GET.get("white_label", "")
    if slug:
        named = [label for label in labels if label.slug == slug]
        if not named:
            raise NotFound("White label not found.")
        return named[0]
    return max(labels, key=lambda label: label.pk, default=None)


def _current(request: OrgRequest, steps: list[Step]) -> Step:
    named = [step for step in steps if step.key == request.GET.get("step", "")]
    skipped = skipped_steps(request)
    undone = [step for step in steps if not step.is_done and step.key not in skipped]
    return next(iter(named or undone), steps[-1])


def _context(
    labels: list[WhiteLabel], label: WhiteLabel | None, steps: list[Step], current: Step
) -> dict[str, Any]:
    return {
        "nav_key": "settings",
        "settings_tab": "setup",
        "labels": labels,
        "label": label,
        "steps": steps,
        "current": current,
        "next_step": next(iter(steps[steps.index(current) + 1 :]), None),
        "done": sum(step.is_done for step in steps),
        "has_stripe_key": bool(settings.STRIPE_SECRET_KEY),
        "has_webhook_secret": bool(settings.STRIPE_WEBHOOK_SECRET),
        "webhook_url": f"{settings.SITE_URL}/webhooks/stripe/",
    }


def _of_usage(
    request: OrgRequest, label: WhiteLabel | None, current: Step
) -> dict[str, Any]:
    """Return what the step of the first event shows: a sample, and a new key, once."""
    if label is None or current.key != StepKey.USAGE:
        return {}
    return {
        "sample": sample_event(label),
        "key_text": take_secret(request, _purpose(label)),
        "now": timezone.now(),
        "site_url": settings.SITE_URL,
        **_waiting(label),
    }


def _waiting(label: WhiteLabel) -> dict[str, Any]:
    usage = find_usage(label.pk)
    url = f"{reverse('billing:first_usage')}?{urlencode({'white_label': label.slug})}"
    return {"usage": usage, "poll_url": "" if usage else url}


def _act(request: OrgRequest, label: WhiteLabel | None) -> HttpResponse:
    step, slug = request.POST.get("step", ""), label.slug if label else ""
    if step == "leave":
        close_guide(request)
        return redirect("billing:fleet")
    if step == "skip" and request.POST.get("skipped") in set(StepKey):
        skip_step(request, request.POST["skipped"])
        return _to_guide(white_label=slug)
    if step == "key" and label is not None:
        return _create_key(request, label)
    raise DomainError("Unknown step.", fields=("step",))


def _create_key(request: OrgRequest, label: WhiteLabel) -> HttpResponse:
    """Create a key that only records usage; the page after it shows it once."""
    if not request.user.has_perm("orgs.add_apikey"):
        raise Forbidden("Your role may not create API keys.")
    access.require_recent_authentication(request)
    _, text = create_api_key(
        label,
        name="First event",
        scopes=[Scope.USAGE_WRITE],
        expires_at=timezone.now() + timedelta(days=_KEY_DAYS),
        created_by=request.user,
    )
    keep_secret(request, _purpose(label), text)
    return _to_guide(white_label=label.slug, step=StepKey.USAGE)


def _to_guide(**query: str) -> HttpResponse:
    return redirect(f"{reverse('billing:setup')}?{urlencode(query)}")


def _purpose(label: WhiteLabel) -> str:
    """Return the purpose of the secret in the session."""
    return f"key for the first event of white label {label.pk}"
