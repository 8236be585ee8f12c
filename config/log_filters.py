"""What log lines must not have: tokens of links that work without a login."""

import logging

from orgs.link_tokens import mask_links


class MaskedLinks(logging.Filter):
    """Replaces the token of a link by `…` in the text of each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; every record is logged."""
        text = record.getMessage()
        masked = mask_links(text)
        if masked != text:
            record.msg, record.args = masked, ()
        return True
