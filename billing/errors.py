"""Errors that the commands of billing raise."""

from orgs.errors import Conflict, DomainError, NotFound


class PeriodClosed(Conflict):
    """The billing period is closed already."""

    code = "billing.period_closed"


class UnpricedUsage(Conflict):
    """A period has usage without a price, and no decision to bill without it."""

    code = "billing.unpriced_usage"


class PeriodInvoiced(Conflict):
    """The usage of a closed period is on an invoice; only a credit can correct it."""

    code = "billing.period_invoiced"


class BalanceTooLow(Conflict):
    """The balance is lower than the amount to deduct."""

    code = "billing.balance_too_low"


class InvalidAmount(DomainError):
    """The amount is out of range or too precise for its currency."""

    code = "billing.invalid_amount"

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=("amount",))


class NotFailed(Conflict):
    """The charge or action is queued or done; only failed ones are retried."""

    code = "billing.charge_not_failed"


class ActionNotPossible(Conflict):
    """The Stripe action is not possible now; the message states the reason."""

    code = "billing.action_impossible"


class CustomerTaken(ActionNotPossible):
    """The Stripe customer is linked to another organization."""

    code = "billing.customer_taken"


class StripeOff(Conflict):
    """The installation has no Stripe account connected."""

    code = "billing.stripe_off"


class NotARecipient(DomainError):
    """The recipient is neither a member of the organization nor an email address."""

    code = "billing.not_a_recipient"

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=("recipients",))


class NoRecipients(Conflict):
    """The alert has no recipients."""

    code = "billing.no_recipients"


class AlreadySending(Conflict):
    """The alert email is being sent and cannot be sent again yet."""

    code = "billing.email_already_sending"


class EmailNotFailed(Conflict):
    """The email is being sent or was delivered; only failed ones are retried."""

    code = "billing.email_not_failed"


class UnknownOptOut(NotFound):
    """The unsubscribe link has no valid signature or names a mandatory alert."""

    code = "billing.unknown_opt_out"


class NothingMissing(Conflict):
    """The charge has no difference that such a decision can explain."""

    code = "billing.nothing_missing"


class EndpointInvalid(DomainError):
    """A webhook endpoint cannot have this value; `field` names it."""

    code = "billing.webhook_endpoint_invalid"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message, fields=(field,))


class TooManyEndpoints(Conflict):
    """The white label has as many webhook endpoints as it can have."""

    code = "billing.too_many_webhook_endpoints"


class EndpointDisabled(Conflict):
    """The webhook endpoint is disabled, so that nothing can be sent to it."""

    code = "billing.webhook_endpoint_disabled"


class DeliveryUnfinished(Conflict):
    """The delivery is still being tried and cannot be sent again yet."""

    code = "billing.delivery_unfinished"


class ReplayTooLarge(DomainError):
    """The range of a replay has too many events."""

    code = "billing.replay_too_large"

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=("from", "to"))
