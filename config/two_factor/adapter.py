"""What allauth asks about second factors and passkeys."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Names of this installation and of new passkeys.

    `orgs.commands.factors.encryption` encrypts, not the hook here: the hook does not
    know the row, and passkeys do not pass it.
    """

    def generate_authenticator_name(self, user: Any, type: str) -> str:  # noqa: A002
        """Return the name that the form of a new passkey proposes."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return f"Passkey {number}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the site that a passkey belongs to: the host of the request."""
        host = context.request.get_host().rpartition("@")[2]
        return {"id": host.partition(":")[0], "name": settings.SITE_NAME}
