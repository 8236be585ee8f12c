"""Registers the Django admin of each subject."""

from billing.ledger import admin as ledger  # noqa: F401
from billing.stripe import admin as stripe  # noqa: F401
