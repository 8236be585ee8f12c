"""Django admin of the billing app, registered by importing each subject's own."""

from billing.ledger import admin as ledger  # noqa: F401
from billing.stripe import admin as stripe  # noqa: F401
