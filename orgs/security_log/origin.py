"""Who acts at present, and from where: a request, a task, or a command.

The middleware, the base class of tasks, and `manage.py` state it once; history and
security log read it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class ActorKind(StrEnum):
    """What kind of actor did something."""

    PERSON = "person"
    API_KEY = "api_key"
    TASK = "task"
    COMMAND = "command"
    STRIPE = "stripe"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, an API key, a task, or a command; `id` is that of person or key."""

    kind: ActorKind = ActorKind.ANONYMOUS
    id: int | None = None
    name: str = ""
    white_label_id: int | None = None


ANONYMOUS = Actor()


def _anonymous() -> Actor:
    return ANONYMOUS


@dataclass(slots=True)
class Origin:
    """The request, task, or command that an act comes from.

    `request_id` is made by Orgdesk; `client_request_id` is what the caller sent. The
    actor of a page is read only when it is needed: most requests record nothing.
    `deferred` are events that are written when a request has ended.
    """

    request_id: str = ""
    client_request_id: str = ""
    user_agent: str = ""
    find_address: Callable[[], str] = str
    block_of: Callable[[str], str] = str
    find_actor: Callable[[], Actor] = _anonymous
    deferred: list[Any] = field(default_factory=list)
    is_request: bool = False

    @property
    def address(self) -> str:
        """The address of the client; empty outside of requests."""
        return self.find_address()

    @property
    def block(self) -> str:
        """The addresses that count as one: of IPv6 the network of a customer."""
        return self.block_of(self.address)

    @property
    def actor(self) -> Actor:
        """Who acts at present."""
        return self.find_actor()

    def set_actor(self, actor: Actor) -> None:
        """State who acts, once a credential was checked."""
        self.find_actor = lambda: actor


_ORIGIN: ContextVar[Origin | None] = ContextVar("origin", default=None)


def current_origin() -> Origin:
    """Return where the present act comes from; an empty origin if none was stated."""
    return _ORIGIN.get() or Origin()


@contextmanager
def coming_from(origin: Origin) -> Iterator[Origin]:
    """State the origin of all that is done inside."""
    token = _ORIGIN.set(origin)
    try:
        yield origin
    finally:
        _ORIGIN.reset(token)


@contextmanager
def acting_as(actor: Actor) -> Iterator[Origin]:
    """State who acts inside; address and request stay those of the outer origin."""
    origin = replace(current_origin(), find_actor=lambda: actor)
    with coming_from(origin):
        yield origin


def act_until_the_end(actor: Actor) -> None:
    """State who acts in this process until it ends."""
    _ORIGIN.set(Origin(find_actor=lambda: actor))
