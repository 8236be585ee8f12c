"""Accounts of staff: invited, changed, and deactivated by people who manage them."""

from collections.abc import Collection
from dataclasses import dataclass

import pghistory
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from orgs.commands.account_emails import write_invitation
from orgs.commands.accounts import keep_last_superuser
from orgs.commands.proofs import ChangedMeanwhile, is_signed
from orgs.commands.sessions import end_all_sessions
from orgs.errors import Conflict
from orgs.models import User, WhiteLabel


@dataclass(frozen=True, slots=True)
class Access:
    """What an account may do: roles by name, and where; no white label means all."""

    roles: Collection[str]
    white_label: WhiteLabel | None
    is_superuser: bool
    is_active: bool = True


def access_values(user: User) -> dict[str, object]:
    """Return the access of an account as a form has it."""
    return {
        "roles": sorted(user.groups.values_list("name", flat=True)),
        "white_label": user.white_label.slug if user.white_label else "",
        "is_superuser": user.is_superuser,
        "is_active": user.is_active,
    }


@transaction.atomic
def invite_staff(
    *, username: str, email: str, name: str, access: Access, invited_by: str
) -> User:
    """Create an account without a password, and write an email with a link to set one.

    Raises `Conflict` if the name or the address is taken.
    """
    first, _, last = name.partition(" ")
    user = User(
        username=username,
        email=email,
        first_name=first[:150],
        last_name=last[:150],
        is_staff=True,
        is_superuser=access.is_superuser,
        white_label=access.white_label,
    )
    user.set_unusable_password()
    _save_new(user)
    user.groups.set(Group.objects.filter(name__in=access.roles))
    write_invitation(user, invited_by=invited_by)
    return user


def _save_new(user: User) -> None:
    try:
        user.full_clean(exclude=["password"])
        with transaction.atomic():
            user.save()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Conflict(messages[0], fields=(field,)) from None
    except IntegrityError:
        raise Conflict("Another account has this.", fields=("email",)) from None


@transaction.atomic
def change_access(user: User, access: Access, *, reason: str, proof: str) -> None:
    """Change what an account may do; all its sessions and login tokens end.

    Raises `ChangedMeanwhile` if it has other rights than the proof by now, and
    `LastSuperuser` rather than to leave no superuser.
    """
    current = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
    if not is_signed(proof, access_values(current)):
        raise ChangedMeanwhile
    current.white_label = access.white_label
    current.is_superuser, current.is_active = access.is_superuser, access.is_active
    with pghistory.context(note=reason):
        with keep_last_superuser():
            current.save(update_fields=["white_label", "is_superuser", "is_active"])
        current.groups.set(Group.objects.filter(name__in=access.roles))
    end_all_sessions(current, reason="changed access")
