"""Second factors at rest: bound to their user, and re-encrypted with the first key."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from orgs.commands.factors import reencrypt_factors
from orgs.errors import SecretUnreadable
from orgs.models import User
from tests.factories import make_user
from tests.support.factors import SEED, add_app, add_passkey, add_recovery_codes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
OLD, NEW = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def person(db: None) -> User:
    return make_user("fin")


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select string_agg(data::text, ' ') from mfa_authenticator")
        row = cursor.fetchone()
    return str(row and row[0])


def test_no_seed_code_or_passkey_is_stored_in_clear(person: User) -> None:
    add_app(person)
    add_passkey(person, "Laptop of canary")
    codes = add_recovery_codes(person)
    factor = Authenticator.objects.get(type="webauthn")
    factor.record_usage()

    assert not [text for text in (SEED, "canary", "seed", *codes) if text in stored()]
    assert factor.wrap().name == "Laptop of canary"
    assert Authenticator.objects.get(type="totp").data == {"secret": SEED}


def test_a_copied_seed_is_of_no_use_to_another_user(person: User) -> None:
    factor = add_app(person)
    row = Authenticator.objects.filter(pk=factor.pk)
    row.update(user=make_user("thief"))

    with pytest.raises(SecretUnreadable):
        row.get()


def test_the_command_re_encrypts_second_factors(
    person: User, settings: Settings
) -> None:
    settings.ENCRYPTION_KEYS = {"old": OLD}
    add_app(person)
    add_passkey(person)
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    add_recovery_codes(person)
    first = reencrypt_factors(after_id=0, limit=1)  # stopped after a batch
    assert first is not None
    assert first.reencrypted == 1
    output = StringIO()
    call_command("rotate_secrets", "--batch=1", stdout=output)

    assert output.getvalue() == "1 re-encrypted, 2 already current, 0 unreadable\n"
    settings.ENCRYPTION_KEYS = {"new": NEW}
    assert Authenticator.objects.get(type="totp").data == {"secret": SEED}
