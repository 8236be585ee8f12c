"""What every test may ask for: a fixed noon, and the months around it."""

import functools
import gc
from collections.abc import Iterator

import pytest
import redis
import time_machine
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from metrics.commands.partitions import make_partitions
from orgs import rate_limiter, valkey
from orgs.models import Organization, WhiteLabel
from tests.factories import NOW, make_organization, make_white_label
from tests.support import template
from tests.support.actors import forget_authors_after_requests, require_actors
from tests.support.clocks import follow_python
from tests.support.emptying import Emptying
from tests.support.fake_stripe import fake_stripe, fake_stripe_server
from tests.support.forks import end_other_sessions
from tests.support.snapshots import snapshot

__all__ = ["fake_stripe", "fake_stripe_server"]
follow_python()


def pytest_configure() -> None:
    """Hash passwords of tests cheaply: the product's hash costs 0.3 s by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with tests that wait for processes and browsers.

    At the end, one worker would be busy with them for minutes, and the others idle.
    """
    lanes = ("process", "browser", "slow")
    items.sort(key=lambda item: not any(map(item.get_closest_marker, lanes)))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests, which stay to the end.

    It was off while they were made, see `tests.stack`. Later it looks for cycles ten
    times less often than by default.
    """
    gc.freeze()
    gc.set_threshold(7_000, 10, 100)
    gc.enable()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Instead of pytest-django's: the database came migrated with the server's files.

    It has the months of today; tests live in those around `NOW`.
    """
    settings.DATABASES["default"]["NAME"] = template.DATABASE
    connection.settings_dict["NAME"] = template.DATABASE
    with django_db_blocker.unblock(), time_machine.travel(NOW, tick=False):
        make_partitions()
        require_actors()
        empty = Emptying()
    with pytest.MonkeyPatch.context() as patch:
        forget_authors_after_requests(patch)
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty())
        yield
    with django_db_blocker.unblock():
        connection.close()  # the last test may have left one that is gone
        end_other_sessions()  # such as a call of a page that renewed itself to the end


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    """Python's clock stands at `NOW`; PostgreSQL's goes on."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def committed(transactional_db: None) -> None:
    """Real commits; all tables are emptied after the test."""


@pytest.fixture
@snapshot
def acme(db: None) -> WhiteLabel:
    """White label with an organization org-7; another one has an org-7, too."""
    make_organization(make_white_label("decoy"), "org-7")
    make_organization(make_white_label("acme"), "org-7")
    return WhiteLabel.objects.get(slug="acme")


@pytest.fixture
def org(acme: WhiteLabel) -> Organization:
    return Organization.objects.get(white_label=acme, external_id="org-7")


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Forget the calls and login attempts of earlier tests."""
    _valkey().flushdb()


@functools.cache
def _valkey() -> redis.Redis:
    """Return the connection of all tests: making one costs ten times a flush."""
    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture
def without_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rate limiters and slots ask a Valkey that is away."""
    dead = redis.Redis.from_url("unix:///nowhere/valkey.sock")
    monkeypatch.setattr(valkey, "client", lambda: dead)
    monkeypatch.setattr(rate_limiter, "_script", rate_limiter._script.__wrapped__)
