"""Constraints of the database: raw SQL that violates each of them must fail."""

import pytest
from django.db import DatabaseError, connection, transaction

from billing.ledger.commands.periods import close_period
from metrics.commands.people import refresh_daily_counts
from metrics.commands.roll_up import roll_up_usage
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, event, make_organization, make_rate, make_user, record
from tests.support.snapshots import snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]

SUBSCRIPTION = (
    "insert into billing_subscription (organization_id, stripe_id, kind, status, tier,"
    " cycle_interval, cycle_count, stripe_price_id, pause_reason, synced_at)"
    " values"
    " ({org}, '{id}', 'platform', '{status}', 'scale', 'month', 1, 'price', '',"
    " now())"
)
PERIOD = (
    "insert into billing_billingperiod (organization_id, number, starts_at, ends_at,"
    " closed_at, cost) values ({org}, "
)
EVENT = (
    "insert into metrics_usageevent (organization_id, event_id, at, product,"
    " project_id, quantities, period, price_version) values ({org}, "
)
VIOLATIONS = [
    # organizations and people
    ("organization_external_id_given", "update orgs_organization set external_id = ''"),
    ("organization_name_given", "update orgs_organization set name = ''"),
    ("organization_rate_limit_ge_1", "update orgs_organization set rate_limit = 0"),
    (
        "organization_deleted_at_after_created_at",
        "update orgs_organization set deleted_at = '2001-01-01'",
    ),
    (
        "organization_created_at_in_range",
        "update orgs_organization set created_at = '10000-01-01'",
    ),
    (
        "organization_created_at_in_range",
        "update orgs_organization set created_at = '0001-01-01 00:00+14'",
    ),
    (
        "organization_contract_started_on_in_range",
        "update orgs_organization set contract_started_on = '1999-12-31'",
    ),
    (
        "organization_external_id_unique",
        "update orgs_organization set external_id = 'same'",
    ),
    ("member_external_id_given", "update orgs_member set external_id = ''"),
    ("member_role", "update orgs_member set role = 'king'"),
    ("member_added_at_in_range", "update orgs_member set added_at = '9999-12-31'"),
    ("project_name_given", "update orgs_project set name = ''"),
    ("entitlements_users_ge_0", "update orgs_entitlements set users = -1"),
    (
        "entitlements_storage_bytes_ge_0",
        "update orgs_entitlements set storage_bytes=-1",
    ),
    ("white_label_gpu_weight_range", "update orgs_whitelabel set gpu_weight = 0"),
    ("white_label_gpu_weight_range", "update orgs_whitelabel set gpu_weight = 1001"),
    ("white_label_currency", "update orgs_whitelabel set currency = 'USD'"),
    ("white_label_rate_limit", "update orgs_whitelabel set default_rate_limit = 0"),
    (
        "white_label_default_limits",
        "update orgs_whitelabel set default_hard_limit = 0",
    ),
    (
        "white_label_default_limits_in_order",
        "update orgs_whitelabel set default_soft_limit = 2, default_hard_limit = 1",
    ),
    ("white_label_accent_color", "update orgs_whitelabel set accent_color = 'red'"),
    ("white_label_logo_sha256", "update orgs_whitelabel set logo_sha256 = 'x'"),
    ("orgs_organization", "delete from orgs_organization where id = {org}"),
    # usage
    ("usage_event_id_given", EVENT + "'', now(), 'gpt', 0, '{{\"a\": 1}}', 1, 0)"),
    ("usage_event_product_given", EVENT + "'x', now(), '', 0, '{{\"a\": 1}}', 1, 0)"),
    ("usage_event_period", EVENT + "'x', now(), 'gpt', 0, '{{\"a\": 1}}', 0, 0)"),
    ("usage_event_quantities", EVENT + "'x', now(), 'gpt', 0, '{{}}', 1, 0)"),
    ("usage_event_quantities", EVENT + "'x', now(), 'gpt', 0, '[1]', 1, 0)"),
    ("no partition", EVENT + "'x', '10000-01-01', 'gpt', 0, '{{\"a\": 1}}', 1, 0)"),
    ("no partition", EVENT + "'x', '1999-12-31', 'gpt', 0, '{{\"a\": 1}}', 1, 0)"),
    ("daily_usage_in_range", "update metrics_dailyusage set quantity = -1"),
    ("daily_usage_in_range", "update metrics_dailyusage set cost = -0.000000000001"),
    ("daily_usage_in_range|overflow", "update metrics_dailyusage set cost = '-inf'"),
    ("daily_usage_in_range", "update metrics_dailyusage set period = 0"),
    (
        "daily_usage_in_range",
        "update metrics_dailyusage set unpriced_quantity = quantity + 1",
    ),
    (
        "daily_metric_staff_within",
        "update metrics_dailymetric set staff_added = members_added + 1",
    ),
    ("daily_metric_cpu_seconds_ge_0", "update metrics_dailymetric set cpu_seconds=-1"),
    ("open_period_number", "update metrics_openperiod set number = 0"),
    (
        "open_period_starts_at_in_range",
        "update metrics_openperiod set starts_at='infinity'",
    ),
    ("rate_unit_price_ge_0", "update metrics_rate set unit_price = -1"),
    ("rate_end_without_price", "update metrics_rate set unit_price = null"),
    ("rate_removed_after_added", "update metrics_rate set removed_in = added_in"),
    (
        "rate_unique",
        (
            "insert into metrics_rate (white_label_id, product, meter, unit_price,"
            " benchmark_unit_price, unit, base_price, base_benchmark_price, added_in,"
            " created_at) select white_label_id, product, meter, 9, 9, unit, 9, 9, 2,"
            " now() from metrics_rate"
        ),
    ),
    # money
    # Two open periods overlap as well: either constraint may be reported.
    (
        "billing_period_(one_open|no_overlap)",
        PERIOD + "9, now(), null, null, null)",
    ),
    (
        "billing_period_no_overlap",
        PERIOD + "9, '2026-11-01', '2026-11-02', now(), 0)",
    ),
    (
        "billing_period_half_open",
        PERIOD + "9, '2020-01-02', '2020-01-02', now(), 0)",
    ),
    (
        "billing_period_closed_whole",
        PERIOD + "9, '2020-01-02', '2020-01-03', null, null)",
    ),
    (
        "billing_period_number_unique",
        PERIOD + "1, '2020-01-02', '2020-01-03', now(), 0)",
    ),
    ("spending_limit_amount_ge_0", "update billing_spendinglimit set amount = -1"),
    ("spending_limit_kind", "update billing_spendinglimit set kind = 'firm'"),
    (
        "spending_limit_unique",
        (
            "insert into billing_spendinglimit (organization_id, kind, version)"
            " values ({org}, 'soft', 1)"
        ),
    ),
    ("free_balance_ge_0", "update billing_billingaccount set free_balance = -0.01"),
    ("stripe_id_given", "update billing_billingaccount set stripe_id = ''"),
    ("stripe_id", "update billing_billingaccount set stripe_id = 'cus_1'"),
    (
        "subscription_one_live",
        SUBSCRIPTION.replace("{id}", "sub_2").replace("{status}", "past_due"),
    ),
    (
        "subscription_status",
        SUBSCRIPTION.replace("{id}", "sub_3").replace("{status}", "asleep"),
    ),
    ("subscription_seats_of_spaces", "update billing_subscription set seats = 7"),
]


@pytest.fixture
@snapshot
def full(acme: WhiteLabel, org: Organization) -> Organization:
    """Create an organization with a valid row in every table."""
    fields = {
        "entitlements": {"users": 5, "storage_bytes": 7},
        "members": [{"external_id": "m"}],
        "projects": [{"external_id": "p"}],
    }
    organization = make_organization(acme, "full", **fields)
    make_rate(acme, "2")
    record(acme, [event(organization="full"), event(organization="org-7")])
    roll_up_usage()
    refresh_daily_counts([organization.id])
    close_period(organization.id, ends_at=NOW)
    make_user("ann")
    for org_, customer in ((organization, "cus_1"), (org, "cus_2")):
        execute(
            "insert into billing_billingaccount (organization_id, stripe_id,"
            f" free_balance) values ({org_.id}, '{customer}', 0)"
        )
    execute(
        "insert into billing_spendinglimit (organization_id, kind, amount, version)"
        f" values ({organization.id}, 'soft', 5, 1)"
    )
    execute(SUBSCRIPTION.format(org=organization.id, id="sub_1", status="trialing"))
    execute(SUBSCRIPTION.format(org=organization.id, id="sub_0", status="canceled"))
    return organization


def execute(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.execute("set constraints all immediate")


@pytest.mark.parametrize(("name", "sql"), VIOLATIONS, ids=[n for n, _ in VIOLATIONS])
def test_database_rejects_invalid_rows(full: Organization, name: str, sql: str) -> None:
    with pytest.raises(DatabaseError, match=name):
        execute(sql.format(org=full.id))
