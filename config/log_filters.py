"""What log lines must not have: tokens of links that work without a login."""

import logging
import re

# Customer pages, unsubscribing, password resets, and confirmations of addresses.
_LINKS = re.compile(
    r"(/customer/|/unsubscribe/|/accounts/password/reset/key/|/accounts/confirm-email/)"
    r"[^/\s'\"?]+"
)


class MaskedLinks(logging.Filter):
    """Replaces the token of a link by `…` in the text of each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; every record is logged."""
        text = record.getMessage()
        masked = _LINKS.sub(r"\1…", text)
        if masked != text:
            record.msg, record.args = masked, ()
        return True
