"""Who acts: the actor of a user or of an authenticated call, for history and log."""

from typing import Any

from orgs.access.principals import Principal
from orgs.models import User
from orgs.security_log import Actor, ActorKind


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
