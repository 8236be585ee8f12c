"""Writing the demo, through the same commands as everything else."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from billing.access.commands.refusals import record_refusals
from billing.forecast.commands.bands import fill_bands
from billing.forecast.commands.limit_rankings import fill_limit_rankings
from billing.forecast.queries.forecasts import get_forecast
from billing.ledger.commands.periods import close_periods
from billing.models import BillingAccount, BillingPeriod, Invoice, SpendingLimit
from billing.models import Subscription as Sub
from billing.money import round_money
from config.dev.demo.fleet import (
    DAYS,
    PRODUCTS,
    WHITE_LABELS,
    Plan,
    State,
    WhiteLabelPlan,
    plans,
)
from config.dev.demo.stripe import is_fake
from config.dev.demo.subscriptions import TIERS, subscriptions, tier_of
from config.dev.demo.tasks import fill_stripe
from config.dev.demo.usage import day_events, last_day
from metrics.catalog import STORAGE_METER, STORAGE_PRODUCT
from metrics.commands.partitions import make_partitions
from metrics.commands.rates import IncomingRate, load_rates
from metrics.commands.record import record_usage
from metrics.commands.roll_up import roll_up_usage
from metrics.commands.storage_days import record_storage_of
from metrics.events import IncomingEvent
from metrics.periods import add_months
from metrics.queries.daily_metrics import entitlement_usage
from metrics.queries.periods import open_period_costs
from orgs.commands.loading import load_organizations
from orgs.commands.organizations import (
    IncomingEntitlements,
    IncomingMember,
    IncomingOrganization,
    IncomingProject,
    signal_people,
)
from orgs.commands.white_labels import create_white_label
from orgs.days import day_of, first_instant
from orgs.models import Entitlements, Member, Organization, User, WhiteLabel
from orgs.queue.enqueue import enqueue

EMAIL = "demo@orgdesk.example"
ADMIN_EMAIL = "admin@orgdesk.example"
_BATCH = 10_000
_HOUR = 3600
_TIB = 2**40
_DAYS_AHEAD = 6
_RETRY_DAYS = 3  # between attempts to charge an invoice
_CONTRACT_DAYS = 308  # most of a contract year: its bars are worth a look


@transaction.atomic
def seed(now: datetime) -> None:
    """Fill an empty database; all of it or, when cut off, nothing."""
    make_partitions()
    for label in WHITE_LABELS:
        white_label = create_white_label(
            label.slug,
            name=label.name,
            time_zone=label.time_zone,
            gpu_weight=label.gpu_weight,
            currency=label.currency,
        )
        _Seeding(white_label, label, now).run()


def _read_or_make_password(username: str) -> str:
    """Return the password in the state folder; the first call makes it, mode 0600."""
    path: Path = settings.STATE_DIR / f"{username}_password"
    if not (path.exists() and path.read_text()):  # empty: an interrupted first call
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(9))
    return path.read_text()


def ensure_first_login() -> list[str]:
    """Make an administrator in a database without users; return the lines to print.

    A later call returns the same login until its password is changed. An existing
    account is never changed.
    """
    password = _read_or_make_password("admin")
    if not User.objects.exists():
        User.objects.create_superuser("admin", ADMIN_EMAIL, password)
    admin = User.objects.filter(username="admin", email=ADMIN_EMAIL).first()
    if admin is None or not admin.check_password(password):
        return []
    return [
        "DEMO=0: no demo data; README.md describes how to load your own",
        f"login {ADMIN_EMAIL} password {password}",
    ]


def ensure_login() -> str:
    """Make or repair the demo account; return its password."""
    password = _read_or_make_password("demo")
    user, made = User.objects.get_or_create(
        username="demo",
        defaults={"email": EMAIL, "is_staff": True, "is_superuser": True},
    )
    if made or not user.check_password(password):
        user.first_name, user.last_name = "Demo", "Operator"
        user.set_password(password)
        user.save()
        user.groups.add(*Group.objects.filter(name="operator"))
    return password


class _Seeding:
    """A white label's share of the fleet."""

    def __init__(
        self, white_label: WhiteLabel, label: WhiteLabelPlan, now: datetime
    ) -> None:
        self.white_label = white_label
        self.label = label
        self.now = now
        self.today = day_of(now, white_label.zone)
        self.plans = plans(label, today=self.today)
        self.ids: dict[str, int] = {}

    def run(self) -> None:
        load_rates(self.white_label, list(self._rates()))
        load_organizations(self.white_label, [self._line(p) for p in self.plans])
        rows = Organization.objects.filter(white_label=self.white_label)
        self.ids = dict(rows.values_list("external_id", "id"))
        self._accounts()
        self._months()
        record_storage_of(self.white_label, sorted(self.ids.values()), until=self.now)
        self._limits()
        self._watch()
        fill_limit_rankings(list(self.ids.values()))
        fill_bands(list(self.ids.values()))
        self._endings()
        roll_up_usage()

    def _rates(self) -> Iterator[IncomingRate]:
        for slug in self.label.products:
            for meter, (price, mark) in PRODUCTS[slug].prices.items():
                yield IncomingRate(slug, meter, Decimal(price), Decimal(mark))
        yield IncomingRate(
            STORAGE_PRODUCT,
            STORAGE_METER,
            Decimal("0.023"),
            Decimal("0.025"),
            unit="GB-month",
        )

    # --- who ----------------------------------------------------------------------

    def _line(self, plan: Plan) -> IncomingOrganization:
        started = first_instant(plan.first_day, self.white_label.zone)
        chance = plan.chance("people")
        span = max((self.today - plan.first_day).days, 0)

        def added(number: int) -> datetime:
            days = 0 if number < 3 else chance.randint(0, span)  # noqa: PLR2004
            return min(started + timedelta(days=days, hours=9), self.now)

        members = [
            IncomingMember(
                external_id=f"user-{number}",
                email=f"user-{number}@{plan.domain}",
                name=f"User {number}",
                is_staff=number <= 2,  # noqa: PLR2004
                added_at=added(number),
            )
            for number in range(1, plan.members + 1)
        ]
        projects = [
            IncomingProject(external_id=f"project-{number}", added_at=added(number))
            for number in range(1, plan.projects + 1)
        ]
        return IncomingOrganization(
            external_id=plan.external_id,
            name=plan.name,
            billing_email=f"billing@{plan.domain}",
            contract_started_on=plan.first_day,
            created_at=min(started, self.now),
            entitlements=_entitlements(plan),
            members=members,
            projects=projects,
        )

    # --- months of usage, each closed by an invoice -------------------------------

    def _months(self) -> None:
        month = (self.today - timedelta(days=DAYS)).replace(day=1)
        while month <= self.today:
            following = add_months(month, 1)
            self._record(month, min(following, self.today + timedelta(days=1)))
            if following <= self.today:
                self._close(following)
            month = following

    def _record(self, start: date, end: date) -> None:
        events = list(self._events(start, end))
        for first in range(0, len(events), _BATCH):
            batch = events[first : first + _BATCH]
            record_usage(self.white_label, list(enumerate(batch)), now=self.now)

    def _events(self, start: date, end: date) -> Iterator[IncomingEvent]:
        zone = self.white_label.zone
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            begins = first_instant(day, zone)
            ends = min(first_instant(day + timedelta(days=1), zone), self.now)
            for plan in self.plans:
                if plan.first_day <= day <= last_day(plan, self.today):
                    yield from day_events(plan, day, start=begins, end=ends)

    def _close(self, day: date) -> None:
        ends_at = first_instant(day, self.white_label.zone)
        closing = {
            self.ids[plan.external_id]: plan
            for plan in self.plans
            if plan.first_day < day and plan.state is not State.TRIAL
        }
        is_last = self._is_last(day)
        Invoice.objects.bulk_create(
            self._invoice(closing[period.organization_id], period, is_last=is_last)
            for period in close_periods(list(closing), ends_at=ends_at)
            if period.cost
        )

    def _is_last(self, day: date) -> bool:
        return add_months(day, 1) > self.today

    def _invoice(self, plan: Plan, period: BillingPeriod, *, is_last: bool) -> Invoice:
        usage = round_money(period.cost or Decimal(0), self.white_label.currency)
        total = usage + TIERS[tier_of(plan)]
        is_unpaid = plan.state is State.UNPAID and is_last
        if period.ends_at is None:
            raise AssertionError("only a closed period has an invoice")
        return Invoice(
            organization_id=period.organization_id,
            period=period,
            stripe_id=f"in_demo_{plan.index}_{period.number}",
            number=f"{plan.external_id.upper()}-{period.number:04}",
            status=Invoice.Status.OPEN if is_unpaid else Invoice.Status.PAID,
            currency=self.white_label.currency,
            total=total,
            amount_due=total,
            amount_paid=0 if is_unpaid else total,
            amount_remaining=total if is_unpaid else 0,
            issued_at=period.ends_at,
            attempt_count=1,
            next_attempt_at=self._next_attempt(period.ends_at) if is_unpaid else None,
            paid_at=None if is_unpaid else period.ends_at + timedelta(hours=1),
        )

    def _next_attempt(self, issued_at: datetime) -> datetime:
        """Return when Stripe retries a failed charge: every three days."""
        days = (self.now - issued_at).days // _RETRY_DAYS * _RETRY_DAYS
        return issued_at + timedelta(days=days + _RETRY_DAYS)

    # --- money --------------------------------------------------------------------

    def _accounts(self) -> None:
        BillingAccount.objects.bulk_create(
            BillingAccount(
                organization_id=self.ids[plan.external_id],
                stripe_id=f"cus_demo{plan.index:04}",
                free_balance=250 if plan.state is State.TRIAL else 0,
                last_invoice_at=self._period_start(plan),
            )
            for plan in self.plans
        )
        Sub.objects.bulk_create(
            subscription
            for plan in self.plans
            for subscription in subscriptions(
                plan,
                self.ids[plan.external_id],
                currency=self.white_label.currency,
                zone=self.white_label.zone,
                now=self.now,
            )
        )

    def _period_start(self, plan: Plan) -> datetime | None:
        month = self.today.replace(day=1)
        if plan.first_day >= month or plan.state is State.TRIAL:
            return None
        return first_instant(month, self.white_label.zone)

    def _limits(self) -> None:
        """Return limits that the period's cost has reached or will reach soon."""
        costs = open_period_costs(list(self.ids.values()))
        limits = []
        for plan in self.plans:
            id_ = self.ids[plan.external_id]
            soft, hard = _limit_factors(plan.state)
            for kind, factor in (("soft", soft), ("hard", hard)):
                amount = round(costs[id_].cost * Decimal(factor), -1)
                if amount > 0:
                    limits.append(
                        SpendingLimit(organization_id=id_, kind=kind, amount=amount)
                    )
        SpendingLimit.objects.bulk_create(limits)

    def _watch(self) -> None:
        """Limits close to what is used, whatever day of the month it is."""
        watched = (plan for plan in self.plans if plan.state is State.WATCHED)
        for plan in watched:
            id_ = self.ids[plan.external_id]
            row = Organization.objects.select_related("white_label").get(pk=id_)
            row.contract_started_on = self.today - timedelta(days=_CONTRACT_DAYS)
            row.save(update_fields=["contract_started_on"])
            self._limit_ahead(row)
            self._fill_up(row)

    def _limit_ahead(self, row: Organization) -> None:
        """Return a soft limit that today's run rate reaches in a few days."""
        ahead = get_forecast(row, today=self.today)
        left = (ahead.ends_on - self.today).days if ahead.ends_on else _DAYS_AHEAD
        days = min(_DAYS_AHEAD, max(left - 1, 1))
        soft = round(ahead.cost.cost + ahead.daily_average * days, -1) - 5
        SpendingLimit.objects.bulk_create(
            SpendingLimit(organization=row, kind=kind, amount=amount)
            for kind, amount in (("soft", soft), ("hard", round(soft * 2, -3)))
        )

    def _fill_up(self, row: Organization) -> None:
        use = entitlement_usage(row, today=self.today)
        hours = {
            "compute_seconds_per_year": (use.compute_seconds.used, 0.84),
            "gpu_seconds_per_year": (use.gpu_seconds.used, 0.62),
        }
        limits = {
            name: round(used / share / _HOUR, -2) * _HOUR
            for name, (used, share) in hours.items()
        }
        storage = max(round(use.storage_bytes.used / 0.89 / _TIB), 1) * _TIB
        Entitlements.objects.filter(organization=row).update(
            **limits, storage_bytes=storage
        )

    def _endings(self) -> None:
        """Delete organizations as of three weeks ago and remove some members."""
        deleted = [p for p in self.plans if p.state is State.DELETED]
        Organization.objects.filter(
            pk__in=[self.ids[plan.external_id] for plan in deleted]
        ).update(deleted_at=self.now - timedelta(days=19), is_active=False)
        paused = [p for p in self.plans if p.state is State.PAUSED]
        Organization.objects.filter(
            pk__in=[self.ids[plan.external_id] for plan in paused]
        ).update(is_active=False)
        changed = [self.ids[plan.external_id] for plan in (*deleted, *paused)]
        record_refusals(changed, now=self.now)
        leavers = [p for p in self.plans if p.members > 10]  # noqa: PLR2004
        left_at = self.now - timedelta(hours=30)
        Member.objects.filter(
            organization_id__in=[self.ids[plan.external_id] for plan in leavers],
            external_id="user-7",
            added_at__lt=left_at,
        ).update(deleted_at=left_at)
        signal_people([self.ids[plan.external_id] for plan in leavers])


def _limit_factors(state: State) -> tuple[str, str]:
    """Soft and hard limits as multiples of the open period's cost; 0 is none."""
    return {
        State.SOFT_LIMIT: ("0.9", "1.6"),
        State.HARD_LIMIT: ("0.7", "0.95"),
        State.GROWING: ("1.15", "2"),
        State.STEADY: ("2.5", "0"),
    }.get(state, ("0", "0"))


def _entitlements(plan: Plan) -> IncomingEntitlements | None:
    if plan.state is State.BRAND_NEW:
        return None
    is_full = plan.state is State.CAPACITY
    is_watched = plan.state is State.WATCHED
    hours = round(plan.size * (9_000 if is_full else 400_000))
    return IncomingEntitlements(
        storage_bytes=round(plan.size * (1.2 if is_full else 8) * _TIB),
        compute_seconds_per_year=hours * _HOUR,
        gpu_seconds_per_year=hours * _HOUR // 3,
        projects=plan.projects + (0 if is_full or is_watched else 12),
        users=None if plan.index % 3 else 50,
    )


def is_empty() -> bool:
    return not WhiteLabel.objects.exists()


def _real_service() -> str:
    """Return the setting that names a real mail host or Stripe account, if any does."""
    if settings.HAS_MAIL_HOST:
        return "EMAIL_URL"
    is_real = settings.STRIPE_SECRET_KEY and not is_fake()
    return "STRIPE_SECRET_KEY" if is_real else ""


def seed_if_empty() -> Sequence[str]:
    """Lines to print: what was made, and how to log in to the demo.

    Invented customers are not written beside a real mail host or a real account of
    Stripe: their alerts would be sent, and their charges made, for real.
    """
    if problem := _real_service():
        state = "no demo" if is_empty() else "the demo may be in this database"
        return [f"{state}: {problem} is set; use DEMO=0 with another STATE_DIR"]
    if not is_empty():
        if not User.objects.filter(username="demo").exists():
            return []
        enqueue(fill_stripe)
        return [f"login {EMAIL} password {ensure_login()}"]
    seed(timezone.now())
    enqueue(fill_stripe)  # seconds in the background
    made = (
        f"demo: {len(WHITE_LABELS)} white labels,"
        f" {Organization.objects.count()} organizations, {DAYS} days of usage"
    )
    return [made, f"login {EMAIL} password {ensure_login()}"]
