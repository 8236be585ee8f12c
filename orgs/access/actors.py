"""Who acts: a user, an authenticated call, or a command, for history and log."""

from typing import Any

import pghistory

from orgs.access.principals import Principal
from orgs.models import User
from orgs.security_log import Actor, ActorKind, act_until_the_end, current_origin


def actor_of(user: Any) -> Actor:
    """Return the actor of the user of a request; anonymous if there is none."""
    if not getattr(user, "is_authenticated", False):
        return Actor()
    assert isinstance(user, User)  # noqa: S101  AUTH_USER_MODEL
    return Actor(ActorKind.PERSON, user.pk, user.get_username(), user.white_label_id)


def actor_of_principal(caller: Principal) -> Actor:
    """Return the actor of an authenticated API call."""
    if caller.key_id is not None:
        return Actor(
            ActorKind.API_KEY, caller.key_id, caller.label, caller.white_label_id
        )
    return Actor(ActorKind.PERSON, caller.user_id, caller.name, caller.white_label_id)


def act_as_owner(user: User) -> None:
    """State the owner of an account as the actor: only they have the link they opened.

    For the request of a person who is not logged in, such as a password reset.
    """
    current_origin().set_actor(actor_of(user))
    pghistory.context(username=user.get_username(), user=user.pk)


def act_as_recipient(address: str) -> None:
    """State as the actor who opened the link of an email that went to an address."""
    pghistory.context(recipient=address)


def act_as_command(name: str, system_user: str) -> None:
    """State a command as the actor, with who runs it, until the process ends."""
    act_until_the_end(Actor(ActorKind.COMMAND, name=f"{name} by {system_user}"))
    context = pghistory.context(command=name, system_user=system_user)
    context.__enter__()  # type: ignore[no-untyped-call]
