"""What one worker sends in its turn: a letter, and then whatever else is due."""

import time

from billing import emails
from billing.commands.letters.leases import list_due_letters
from billing.commands.letters.sending import send

_LONGEST_SECONDS = 20  # then other tasks have theirs; the sweep goes on
_AT_A_TIME = 20


def deliver(letter_id: int) -> None:
    """Nothing, if others have their turn: they come to this letter, for it is due."""
    with emails.turn() as turn:
        if turn is None:
            return
        end, waiting = time.monotonic() + _LONGEST_SECONDS, [letter_id]
        while waiting and time.monotonic() < end:
            waiting += send(waiting.pop(0))
            turn.keep()
            if not emails.has_place():
                return  # the sweep comes when there are some
            waiting = waiting or list_due_letters(_AT_A_TIME)
