"""Change the logo, accent color, and sender of a white label."""

import hashlib

from django.db import transaction

from orgs.commands.proofs import Values
from orgs.commands.white_labels import change_settings
from orgs.images import Image
from orgs.models import Logo, WhiteLabel

_MAX_LOGOS = 20  # of a white label: those that emails of the past link to


@transaction.atomic
def change_branding(
    white_label: WhiteLabel,
    values: Values,
    *,
    logo: Image | None,
    reason: str,
    proof: str,
) -> None:
    """Change logo, accent color, and sender; `logo` is a new image, whose hash is set.

    Raises as `change_settings`.
    """
    change_settings(white_label, values, reason=reason, proof=proof)
    if logo is not None:
        _store(white_label, logo)


def hash_of(logo: Image) -> str:
    """Return the hash that the address of a logo has."""
    return hashlib.sha256(logo.data).hexdigest()


def _store(white_label: WhiteLabel, logo: Image) -> None:
    """Store an image once, and delete the oldest replaced ones.

    The row of the white label is locked by the change: two never store at once.
    """
    Logo.objects.filter(white_label=white_label, sha256=hash_of(logo)).delete()
    Logo.objects.create(
        white_label=white_label,
        sha256=hash_of(logo),
        content_type=logo.content_type,
        width=logo.width,
        height=logo.height,
        data=logo.data,
    )
    logos = Logo.objects.filter(white_label=white_label).order_by("-created_at", "-id")
    ended = logos.values_list("pk", flat=True)[_MAX_LOGOS:]
    Logo.objects.filter(pk__in=list(ended)).delete()
