"""Letters leave the building: claimed, sent to each address, marked, or put off."""

from billing.commands.letters.delivering import deliver
from billing.commands.letters.ending import revive
from billing.commands.letters.leases import list_due_letters
from billing.commands.letters.optouts import (
    digest_token,
    list_opt_outs,
    opt_in_all,
    opt_out_all,
)
from billing.commands.letters.sending import send

__all__ = [
    "deliver",
    "digest_token",
    "list_due_letters",
    "list_opt_outs",
    "opt_in_all",
    "opt_out_all",
    "revive",
    "send",
]
