"""Create and change white labels."""

import pghistory
from django.core.exceptions import ValidationError
from django.db import transaction

from orgs.commands.organizations import signal_created
from orgs.commands.proofs import ChangedMeanwhile, Values, is_signed
from orgs.errors import Conflict, DomainError
from orgs.models import Organization, WhiteLabel


@transaction.atomic
def create_white_label(
    slug: str,
    *,
    name: str,
    time_zone: str = "UTC",
    gpu_weight: int = 3,
    currency: str = "usd",
) -> WhiteLabel:
    """Create a white label and the organization that owns it.

    Raises `Conflict` if the slug is taken and `DomainError` for an invalid value.
    """
    white_label = WhiteLabel(
        slug=slug,
        name=name,
        time_zone=time_zone,
        gpu_weight=gpu_weight,
        currency=currency,
    )
    _check(white_label)
    white_label.save()
    create_owner(white_label)
    return white_label


def change_white_label(white_label: WhiteLabel, *, name: str) -> None:
    """Rename a white label; nothing else of it can be changed."""
    WhiteLabel.objects.filter(pk=white_label.pk).update(name=name)


@transaction.atomic
def change_settings(
    white_label: WhiteLabel, values: Values, *, reason: str, proof: str
) -> None:
    """Change the settings of a white label that can be changed.

    Raises `ChangedMeanwhile` if it has other values than the proof by now, and
    `DomainError` for an invalid one.
    """
    current = WhiteLabel.objects.select_for_update().get(pk=white_label.pk)
    if not is_signed(proof, {name: getattr(current, name) for name in values}):
        raise ChangedMeanwhile
    for name, value in values.items():
        setattr(current, name, value)
    _validate(current)
    with pghistory.context(note=reason):
        current.save(update_fields=list(values))


@transaction.atomic
def create_owner(white_label: WhiteLabel) -> Organization:
    """Create the organization that owns a new white label."""
    owner = Organization.objects.create(
        white_label=white_label,
        external_id=white_label.slug,
        name=white_label.name,
        is_billable=False,
    )
    white_label.owner = owner
    white_label.save(update_fields=["owner"])
    signal_created([owner.id])
    return owner


def _check(white_label: WhiteLabel) -> None:
    if WhiteLabel.objects.filter(slug=white_label.slug).exists():
        raise Conflict(
            f"The white label {white_label.slug!r} already exists.",
            code="white_label_exists",
            fields=("slug",),
        )
    _validate(white_label)


def _validate(white_label: WhiteLabel) -> None:
    try:
        white_label.full_clean(exclude=["owner"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(
            f"{field}: {messages[0]}", code=f"invalid_{field}", fields=(field,)
        ) from None
