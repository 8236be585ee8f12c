"""Second factors of accounts: codes, encryption at rest, and what ends with them."""

from orgs.commands.factors.codes import mark_code_used, totp_counter, use_code
from orgs.commands.factors.encryption import reencrypt_factors
from orgs.commands.factors.logins import end_logins

__all__ = [
    "end_logins",
    "mark_code_used",
    "reencrypt_factors",
    "totp_counter",
    "use_code",
]
