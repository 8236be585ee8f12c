"""The fast path answers as Django does, byte for byte, or leaves a call to Django."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from metrics.commands.roll_up import roll_up_usage
from orgs.models import ApiKey, Organization, WhiteLabel
from tests.factories import (
    NOW,
    delete,
    event,
    make_key,
    make_organization,
    make_rate,
    make_white_label,
    record,
)
from tests.support.snapshots import snapshot
from tests.support.wsgi import (
    FAST_PATH,
    environ,
    keep_connection,
    left_to_django,
    respond,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
READS = ("billing:read", "organizations:read")


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_connection(monkeypatch)


@pytest.fixture
@snapshot
def billed(acme: WhiteLabel, org: Organization) -> Organization:
    make_rate(acme, "2")
    record(acme, [event("a"), event("b", product="x:y")])
    record(acme, [event("c", quantities={"gpu_seconds": 7}, project="web")])
    return org


def chart_path(org: Organization) -> str:
    return f"/api/v1/billing/costs/{org.pk}/charts"


QUERIES = ("", "?from=2026-10-01", "?to=2026-11-01&from=2026-10-01T00:00:00%2B02:00",
           "?bucketing_strategy=Monthly&from=2026-01-01", "?from=")  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("of", ["white label", "organization"])
def test_a_chart_is_the_same_on_both_paths(
    acme: WhiteLabel, billed: Organization, query: str, of: str
) -> None:
    key = make_key(acme, *READS, organization=billed if of == "organization" else None)
    chart = environ(chart_path(billed) + query, key)
    expected = respond(WSGIHandler(), dict(chart))  # stores the key's last use, too

    assert expected[0] == "200 OK"
    assert respond(FAST_PATH, dict(chart)) == expected
    plain = {"HTTP_AUTHORIZATION": f"ApiKey {key}"}
    assert respond(FAST_PATH, environ(chart["PATH_INFO"] + query, **plain)) == expected


def test_access_is_the_same_on_both_paths(acme: WhiteLabel, org: Organization) -> None:
    key = make_key(acme, *READS)
    access = environ(f"/api/v1/organizations/{org.pk}/access", key)
    expected = respond(WSGIHandler(), dict(access))
    assert expected[2] == b'{"allowed":true,"reasons":[],"rate_limit":200}'
    assert respond(FAST_PATH, dict(access)) == expected

    Organization.objects.filter(pk=org.pk).update(is_active=False)
    delete(org)

    expected = respond(WSGIHandler(), dict(access))
    assert (expected[0], expected[2].count(b'"code"')) == ("200 OK", 2)
    assert respond(FAST_PATH, dict(access)) == expected


def test_access_without_permission_is_left_to_django(
    acme: WhiteLabel, org: Organization
) -> None:
    other = make_organization(acme, "org-8")
    keys = {
        "strange": make_key(make_white_label("strange"), *READS),
        "narrow": make_key(acme, "billing:read"),
        "of another": make_key(acme, *READS, organization=other),
    }
    ApiKey.objects.update(last_used_at=NOW)
    path = f"/api/v1/organizations/{org.pk}/access"
    for name, key in keys.items():
        assert left_to_django(partial(respond, FAST_PATH, environ(path, key))), name
    key = make_key(acme, *READS)
    ApiKey.objects.update(last_used_at=NOW)
    assert left_to_django(partial(respond, FAST_PATH, environ(f"{path}?x=1", key)))
    unknown = environ("/api/v1/organizations/999999/access", key)
    assert left_to_django(partial(respond, FAST_PATH, unknown))


def test_access_takes_one_query(
    acme: WhiteLabel,
    billed: Organization,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key = make_key(acme, *READS)
    ApiKey.objects.update(last_used_at=NOW)
    with django_assert_num_queries(1):
        respond(FAST_PATH, environ(f"/api/v1/organizations/{billed.pk}/access", key))


def test_an_unchanged_chart_is_the_same_on_both_paths(
    acme: WhiteLabel, billed: Organization
) -> None:
    key = make_key(acme, *READS)
    path = chart_path(billed)
    tag = respond(WSGIHandler(), environ(path, key))[1]["ETag"]
    again = environ(path, key, HTTP_IF_NONE_MATCH=tag)

    expected = respond(WSGIHandler(), dict(again))
    assert expected[0] == "304 Not Modified"
    assert respond(FAST_PATH, dict(again)) == expected
    record(acme, [event("later")])
    roll_up_usage()
    assert respond(FAST_PATH, dict(again))[0] == "200 OK"


@pytest.mark.parametrize(
    "query",
    [
        "?from=a&from=b",
        "?x=1",
        "?from=%00",
        f"?from={'x' * 41}",
        "?bucketing_strategy=" + "x" * 21,
    ],
)
def test_parameters_that_do_not_validate_are_left_to_django(
    acme: WhiteLabel, billed: Organization, query: str
) -> None:
    key = make_key(acme, *READS)
    path = chart_path(billed)
    respond(WSGIHandler(), environ(path, key))

    assert left_to_django(lambda: respond(FAST_PATH, environ(path + query, key)))


def test_a_key_without_access_is_left_to_django(
    acme: WhiteLabel, billed: Organization
) -> None:
    other = make_organization(acme, "org-8")
    keys = {
        "unknown": "ei_x",
        "no key": "",
        "strange": make_key(make_white_label("strange"), *READS),
        "narrow": make_key(acme, "usage:write"),
        "of another": make_key(acme, *READS, organization=other),
        "expired": make_key(acme, *READS, expires_at=NOW + timedelta(seconds=1)),
        "revoked": make_key(acme, *READS),
    }
    ApiKey.objects.update(last_used_at=NOW)
    revoked = ApiKey.objects.latest("pk")
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=NOW)
    ApiKey.objects.exclude(expires_at=None).update(expires_at=NOW)
    for name, key in keys.items():
        assert left_to_django(
            partial(respond, FAST_PATH, environ(chart_path(billed), key))
        ), name


def test_an_unknown_or_deleted_organization_is_left_to_django(
    acme: WhiteLabel, billed: Organization
) -> None:
    key = make_key(acme, *READS)
    ApiKey.objects.update(last_used_at=NOW)
    chart = chart_path(billed)
    for path in (
        chart.replace(str(billed.pk), "999999"),
        chart.replace(str(billed.pk), "9" * 19),
        chart + "/",
    ):
        assert left_to_django(partial(respond, FAST_PATH, environ(path, key))), path
    delete(billed)
    assert left_to_django(partial(respond, FAST_PATH, environ(chart, key)))


def test_an_unknown_host_and_an_insecure_connection_are_left_to_django(
    acme: WhiteLabel, billed: Organization
) -> None:
    key = make_key(acme, *READS)
    chart = chart_path(billed)
    expected = respond(WSGIHandler(), environ(chart, key))
    assert left_to_django(
        lambda: respond(FAST_PATH, environ(chart, key, HTTP_HOST="evil.example"))
    )
    assert left_to_django(
        lambda: respond(FAST_PATH, environ(chart, key, REQUEST_METHOD="POST"))
    )

    strict = {
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SECURE_HSTS_PRELOAD": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    }
    with override_settings(**strict):
        assert left_to_django(lambda: respond(FAST_PATH, environ(chart, key)))
        secure = environ(chart, key, HTTP_X_FORWARDED_PROTO="https")
        assert respond(FAST_PATH, dict(secure)) == respond(WSGIHandler(), dict(secure))
    assert expected[0] == "200 OK"


def test_the_first_use_of_a_key_in_a_minute_is_stored_by_django(
    acme: WhiteLabel, billed: Organization
) -> None:
    key = make_key(acme, *READS)
    assert left_to_django(lambda: respond(FAST_PATH, environ(chart_path(billed), key)))


def test_a_chart_takes_two_queries(
    acme: WhiteLabel,
    billed: Organization,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key = make_key(acme, *READS)
    ApiKey.objects.update(last_used_at=NOW)
    chart = chart_path(billed)
    with django_assert_num_queries(3):  # one more for pending usage
        respond(FAST_PATH, environ(chart, key))
    roll_up_usage()
    with django_assert_num_queries(2):
        respond(FAST_PATH, environ(chart, key))
