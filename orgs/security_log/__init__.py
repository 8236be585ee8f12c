"""The security log: who logged in, what was refused, and what changed about access.

`record` writes one row and one line of JSON to the log. The kinds of events are in
`kinds`; who acts, and from where, is known from `origin`.
"""

from orgs.security_log.kinds import Kind, Outcome
from orgs.security_log.origin import (
    Actor,
    ActorKind,
    Origin,
    act_until_the_end,
    acting_as,
    coming_from,
    current_origin,
)
from orgs.security_log.recording import record, write_deferred

__all__ = [
    "Actor",
    "ActorKind",
    "Kind",
    "Origin",
    "Outcome",
    "act_until_the_end",
    "acting_as",
    "coming_from",
    "current_origin",
    "record",
    "write_deferred",
]
