"""Acting on Stripe: asked for by a row, done by a worker, twice is once."""

from billing.commands.actions.asking import ask, cancel_action, retry_action
from billing.commands.actions.doing import do
from billing.commands.actions.previews import (
    FoundCustomer,
    Preview,
    PreviewLine,
    find_customers,
    preview_change,
)

__all__ = [
    "FoundCustomer",
    "Preview",
    "PreviewLine",
    "ask",
    "cancel_action",
    "do",
    "find_customers",
    "preview_change",
    "retry_action",
]
