"""The demo's invented customers are never written beside a real mail host or Stripe."""

from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django import Settings

from orgs.models import Organization

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HAS_MAIL_HOST", True, "EMAIL_URL"),
        ("STRIPE_SECRET_KEY", "sk_live_x", "STRIPE_SECRET_KEY"),
    ],
)
def test_no_demo_is_written_to_a_production_service(
    settings: Settings, name: str, value: object, shown: str
) -> None:
    setattr(settings, name, value)
    output = StringIO()
    call_command("seed_demo", stdout=output)

    assert f"no demo: {shown} is set" in output.getvalue()
    assert not Organization.objects.exists()
