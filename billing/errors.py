"""Refusals of this app."""

from orgs.errors import Conflict, DomainError, NotFound


class PeriodClosed(Conflict):
    code = "billing.period_closed"


class PeriodInvoiced(Conflict):
    """Usage of a closed period is on an invoice: a credit makes it good."""

    code = "billing.period_invoiced"


class BalanceTooLow(Conflict):
    """More would be taken of a balance than is left."""

    code = "billing.balance_too_low"


class InvalidAmount(DomainError):
    code = "billing.invalid_amount"

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=("amount",))


class NotFailed(Conflict):
    """A charge that is on its way or there already is not sent again."""

    code = "billing.charge_not_failed"


class ActionNotPossible(Conflict):
    """Stripe is not asked for what cannot be now; the message says why not."""

    code = "billing.action_impossible"


class CustomerTaken(ActionNotPossible):
    code = "billing.customer_taken"


class StripeOff(Conflict):
    """Nothing can be asked of Stripe: there is no key."""

    code = "billing.stripe_off"


class NotARecipient(DomainError):
    """Neither a member of the organization nor an e-mail address."""

    code = "billing.not_a_recipient"

    def __init__(self, message: str) -> None:
        super().__init__(message, fields=("recipients",))


class NoRecipients(Conflict):
    code = "billing.nobody_to_tell"


class AlreadySending(Conflict):
    """A letter is not sent again while it is on its way."""

    code = "billing.letter_already_sending"


class EmailNotFailed(Conflict):
    """One that is on its way, or arrived, is not tried anew."""

    code = "billing.letter_not_failed"


class UnknownOptOut(NotFound):
    """A link that we did not sign, or of letters that everybody gets."""

    code = "billing.unknown_opt_out"
