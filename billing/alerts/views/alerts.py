"""The alerts tab: history, status, simulation, limits, recipients and snoozing."""

from datetime import date, timedelta
from typing import Any

import pghistory
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.access.queries.explanations import preview_access
from billing.access.queries.refusals import list_access_refusals
from billing.alerts import tasks
from billing.alerts.charts import threshold_bars
from billing.alerts.commands.delivery.outcomes import restart
from billing.alerts.commands.evaluation import evaluate_all_measures
from billing.alerts.commands.percents import read_percents, set_percents
from billing.alerts.commands.recipients import set_recipients, snooze
from billing.alerts.commands.records import resend
from billing.alerts.forms import (
    LimitsForm,
    PercentsForm,
    RecipientsForm,
    SnoozeForm,
    SpendForm,
)
from billing.alerts.queries.expectations import Scenario
from billing.alerts.queries.history import list_alerts
from billing.alerts.queries.percents import preview_percents
from billing.alerts.queries.recipients import find_recipients, read_chosen
from billing.alerts.queries.statuses import (
    AlertStatus,
    Status,
    list_statuses,
    preview_limits,
    simulate,
)
from billing.forecast.charts import period_chart, period_start
from billing.forecast.queries.forecasts import Forecast, get_forecast
from billing.ledger.commands.limits import change_limits
from billing.ledger.queries.limits import is_large_raise, read_limits
from billing.models import Alert, AlertEmail, AlertOptOut
from billing.staff import (
    READ_ONLY,
    StaffContext,
    require_billing_read,
    require_billing_write,
)
from metrics.periods import DayRange
from metrics.queries.periods import current_period
from metrics.queries.series import SeriesFilters, series
from orgs import access
from orgs.access.permissions import row_id
from orgs.catalog import Scope
from orgs.commands.proofs import ChangedMeanwhile
from orgs.days import day_of
from orgs.errors import NotFound
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.web.charts import Chart
from orgs.web.edits import ProvenForm, show_error
from orgs.web.history import last_entry
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "billing/alerts/alerts.html"
_PAGE_SIZE = 20
_LONGEST_SEARCH = 200


def alerts(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the tab; the parameter `spend` simulates a cost, nothing is written."""
    staff, organization = _enter(request, organization_id)
    return _page(request, staff, organization, {})


@require_POST
def edit_limits(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Preview the effects of new limits (`step=preview`) or save them (`step=save`).

    The preview has the alerts and the access afterwards. Saving requires a reason.
    """
    staff, organization = _enter(request, organization_id, writes=True)
    form = LimitsForm(request.POST, values=read_limits(organization.pk))
    is_saved = request.POST.get("step") == "save"
    if form.is_valid() and is_saved:
        form.require_note()
    if not form.is_valid():
        return _page(request, staff, organization, {"limits_form": form}, status=422)
    limits = {kind: form.cleaned_data[kind] for kind in ("soft", "hard")}
    if not is_saved:
        now = timezone.now()
        previewed = preview_limits(organization.pk, **limits, now=now)
        reasons = preview_access(organization, **limits, now=now)
        context = {
            "limits_form": form,
            "previewed": previewed,
            "reasons_after": reasons,
        }
        return _page(request, staff, organization, context)
    if is_large_raise(organization.pk, limits["hard"]):
        access.require_recent_authentication(request)
    try:
        form.require_unchanged()
        with pghistory.context(note=form.cleaned_data["note"]):
            change_limits(organization.pk, **limits, proof=form.cleaned_data["before"])
    except ChangedMeanwhile as error:
        return _conflict(
            request, staff, organization, name="limits", form=form, error=error
        )
    tasks.enqueue_emails(evaluate_all_measures([organization.pk]))
    messages.success(request, "Limits saved.")
    return redirect("billing:alerts", organization_id)


@require_POST
def edit_percents(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Preview other percentages of alerts (`step=preview`), or save them."""
    staff, organization = _enter(request, organization_id, writes=True)
    is_preview = request.POST.get("step") == "preview"
    form = _percents_form(organization, request.POST, is_preview=is_preview)
    extra: dict[str, Any] = {"percents_form": form}
    if not form.is_valid():
        return _page(request, staff, organization, extra, status=422)
    try:
        form.require_unchanged()
        if is_preview:
            extra["percents_preview"] = preview_percents(
                organization.pk, form.percents, now=timezone.now()
            )
            return _page(request, staff, organization, extra)
        with pghistory.context(note=form.cleaned_data["reason"]):
            proof = form.cleaned_data["before"]
            set_percents(organization.pk, form.changes, proof=proof)
    except ChangedMeanwhile as error:
        form.renew_proof()
        form.add_error(None, error.message)
        extra["percents_last"] = last_entry(organization.pk, {"billing.AlertSettings"})
        return _page(request, staff, organization, extra, status=error.status)
    tasks.enqueue_emails(evaluate_all_measures([organization.pk]))
    messages.success(request, "Alert percentages saved.")
    return redirect("billing:alerts", organization_id)


def _percents_form(
    organization: Organization, data: Any = None, *, is_preview: bool = False
) -> PercentsForm:
    values = read_percents(organization.pk)
    return PercentsForm(
        data, values=values, is_preview=is_preview, auto_id="id_percents_%s"
    )


@require_POST
def edit_recipients(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Replace the recipients of the organization's alerts."""
    staff, organization = _enter(request, organization_id, writes=True)
    form = RecipientsForm(
        request.POST, values=read_chosen(organization.pk), organization=organization
    )
    if not form.is_valid():
        return _page(
            request, staff, organization, {"recipients_form": form}, status=422
        )
    data = form.cleaned_data
    try:
        form.require_unchanged()
        set_recipients(
            organization.pk,
            notifies_billing_email=data["notifies_billing_email"],
            member_ids=[int(id_) for id_ in data.get("members", ())],
            addresses=data["addresses"],
            endpoint_ids=[int(id_) for id_ in data.get("endpoints", ())],
            proof=data["before"],
        )
    except ChangedMeanwhile as error:
        return _conflict(
            request, staff, organization, name="recipients", form=form, error=error
        )
    messages.success(request, "Recipients saved.")
    return redirect("billing:alerts", organization_id)


@require_POST
def snooze_alerts(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Pause or resume alert emails; alerts are recorded meanwhile."""
    staff, organization = _enter(request, organization_id, writes=True)
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        return _page(request, staff, organization, {"snooze_form": form}, status=422)
    until = timezone.now() + form.duration if form.duration else None
    snooze(organization.pk, until=until)
    messages.success(request, "Alerts snoozed." if until else "Alert emails resumed.")
    return redirect("billing:alerts", organization_id)


@require_POST
def resend_alert(
    request: OrgRequest, organization_id: int, alert_id: int
) -> HttpResponse:
    """Retry the last email of an alert if it failed, else send another one."""
    staff, organization = _enter(request, organization_id, writes=True)
    alert = Alert.objects.filter(organization=organization, pk=alert_id).first()
    if alert is None:
        raise NotFound("Alert not found.")
    last = alert.alert_emails.order_by("-number").first()
    if last is not None and last.state == AlertEmail.State.FAILED:
        restart(last.pk)
        enqueue(tasks.send_alert_email, last.pk)
    else:
        resent = resend(alert.pk, by=staff.principal.name)
        enqueue(tasks.send_alert_email, resent.pk)
    messages.success(request, "Email queued for sending.")
    url = reverse("billing:alerts", args=[organization_id])
    return redirect(f"{url}#alert-{alert.pk}")


_CHANGED_ROWS = {
    "limits": {"billing.SpendingLimit"},
    "recipients": {"billing.AlertRecipient", "billing.AlertSettings"},
}


def _conflict(
    request: OrgRequest,
    staff: StaffContext,
    organization: Organization,
    *,
    name: str,
    form: ProvenForm,
    error: ChangedMeanwhile,
) -> HttpResponse:
    """Show the form again, with who changed what in the meantime."""
    show_error(form, error)
    last = last_entry(organization.pk, _CHANGED_ROWS[name])
    extra = {f"{name}_form": form, f"{name}_last": last}
    return _page(request, staff, organization, extra, status=error.status)


def _enter(
    request: OrgRequest, organization_id: int, *, writes: bool = False
) -> tuple[StaffContext, Organization]:
    staff = (
        require_billing_write(request, needs_stripe=False)
        if writes
        else require_billing_read(request)
    )
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    return staff, organization


def _page(
    request: OrgRequest,
    staff: StaffContext,
    organization: Organization,
    forms: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    context = _tab(staff, organization, request.GET) | forms
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)


def _tab(
    staff: StaffContext, organization: Organization, query: QueryDict
) -> dict[str, Any]:
    id_, now = organization.pk, timezone.now()
    before, opened = (row_id(query.get(name, "")) for name in ("before", "alert"))
    rows = list_alerts(id_, before=before or None, limit=_PAGE_SIZE + 1)
    if opened and not before and all(row.pk != opened for row in rows):
        before = opened + 1  # the link of an old email: list from that alert on
        rows = list_alerts(id_, before=before, limit=_PAGE_SIZE + 1)
    for row in rows:
        row.organization = organization  # saves a query per row
    refusals = list_access_refusals(
        id_, before=row_id(query.get("refusals_before", "")) or None
    )
    recipients = find_recipients([id_])[id_]
    snoozed_until = recipients.snoozed_until
    today = day_of(now, organization.white_label.zone)
    period = current_period(id_)
    ahead = get_forecast(organization, today=today, period=period)
    opted_out = AlertOptOut.objects.filter(organization=organization)
    base = reverse("billing:alerts", args=[id_])
    is_writer = Scope.BILLING_WRITE in staff.principal.scopes
    return {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "currency": organization.white_label.currency,
        "tab": "alerts",
        "nav_key": "organizations",
        "now": now,
        "blocked_reason": "" if is_writer else READ_ONLY,
        "rows": rows[:_PAGE_SIZE],
        "opened": opened,
        "next_url": f"{base}?before={rows[_PAGE_SIZE - 1].pk}"
        if rows[_PAGE_SIZE:]
        else "",
        "first_url": base if before else "",
        "refusals": refusals.rows,
        "refusals_next_url": f"{base}?refusals_before={refusals.next_before}#refusals"
        if refusals.next_before
        else "",
        "refusals_first_url": f"{base}#refusals" if "refusals_before" in query else "",
        "period": period,
        "forecast": ahead,
        "chart": _chart(organization, ahead, today),
        "recipients": recipients,
        "is_snoozed": snoozed_until is not None and snoozed_until > now,
        "opted_out": list(opted_out.order_by("id")),
        "recipients_form": RecipientsForm(
            values=read_chosen(organization.pk),
            initial=read_chosen(organization.pk),
            organization=organization,
            search=_member_search(query),
        ),
        "member_search": _member_search(query),
        "snooze_form": SnoozeForm(),
        "limits_form": _limits_form(organization, query),
        "percents_form": _percents_form(organization),
        **_simulation(organization, query),
        **_statuses(list_statuses(id_, now=now, recipients=recipients)),
    }


def _member_search(query: QueryDict) -> str:
    return query.get("member", "").replace("\x00", "")[:_LONGEST_SEARCH]


def _limits_form(organization: Organization, query: QueryDict) -> LimitsForm:
    """Return the form with the limits as they are, or as a link suggests them."""
    limits = read_limits(organization.pk)
    suggested = {kind: str(query[kind]) for kind in ("soft", "hard") if kind in query}
    return LimitsForm(values=limits, initial=limits | suggested)


def _chart(organization: Organization, ahead: Forecast, today: date) -> Chart | None:
    label = organization.white_label
    start = period_start(ahead, today, label.zone)
    days = DayRange(start, today + timedelta(days=1))
    daily = series(organization.pk, SeriesFilters(days))
    costs = {day: daily.cost_in(day) for day in daily.buckets}
    return period_chart(ahead, costs, today=today, currency=label.currency)


def _statuses(statuses: list[AlertStatus]) -> dict[str, Any]:
    """Split the statuses: those of bars, others, and those with nothing to measure."""
    not_applicable = [s for s in statuses if s.status is Status.NOT_APPLICABLE]
    applicable = [s for s in statuses if s.status is not Status.NOT_APPLICABLE]
    return {
        "statuses": [s for s in applicable if s.kind.percent_list is None],
        "not_applicable": not_applicable,
        "bars": threshold_bars(statuses),
    }


def _simulation(organization: Organization, query: QueryDict) -> dict[str, Any]:
    """Return the simulation form and the alerts that its amount would trigger."""
    form = SpendForm(query if "spend" in query else None)
    if not form.is_bound or not form.is_valid():
        return {"spend_form": form}
    scenario = Scenario(spend=form.cleaned_data["spend"])
    simulated = simulate(organization.pk, scenario, now=timezone.now())
    return {"spend_form": form, "simulated": simulated}
