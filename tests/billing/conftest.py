"""What tests of billing may ask for."""

import pytest
import time_machine

from orgs.models import WhiteLabel
from tests.support.drafts import Draft, make_draft
from tests.support.fake_stripe import FakeStripe


@pytest.fixture
def draft(
    fake_stripe: FakeStripe, frozen: time_machine.Traveller, acme: WhiteLabel
) -> Draft:
    """Make an organization with a period of $27.51 and its draft."""
    return make_draft(fake_stripe, frozen, acme)
