"""The unsubscribe links of emails: signed tokens, and what they opt out of.

The link of an alert email names an organization, an address and a kind; that of a
digest names the digest and the address. Tokens carry no time: they do not expire, and
an email that is sent again has the same link.
"""

from dataclasses import dataclass

from django.core import signing

from billing.alerts.kinds import ALERT_KINDS
from billing.errors import UnknownOptOut
from billing.models import Alert, AlertOptOut

_MANDATORY = "You can't unsubscribe from service and payment notices."


@dataclass(frozen=True, slots=True)
class OptOut:
    """A kind of alert of an organization that an address unsubscribes from."""

    organization_id: int
    address: str
    kind: str


def opt_out_token(organization_id: int, address: str, kind: str) -> str:
    """Return the token of the unsubscribe link of an alert email."""
    return _signer().sign_object([organization_id, address.lower(), kind])


def digest_token(alert_email_id: int, address: str) -> str:
    """Return the token of the unsubscribe link of a digest."""
    return _digest_signer().sign_object([alert_email_id, address.lower()])


def _signer() -> signing.Signer:
    return signing.Signer(salt="alert opt-out")


def _digest_signer() -> signing.Signer:
    return signing.Signer(salt="digest opt-out")


def list_opt_outs(token: str) -> list[OptOut]:
    """Return what a token opts out of: one kind, or each of a digest.

    Mandatory kinds of a digest are left out. Raises `UnknownOptOut` for a token that
    Orgdesk did not sign, and for a digest of mandatory kinds alone.
    """
    try:
        alert_email_id, address = _digest_signer().unsign_object(token)
    except signing.BadSignature:
        return [_read_token(token)]
    alerts = Alert.objects.filter(alert_emails__recipients__digest=alert_email_id)
    pairs = sorted(set(alerts.values_list("organization_id", "kind")))
    opt_outs = [
        OptOut(id_, address, kind) for id_, kind in pairs if not _is_mandatory(kind)
    ]
    if not opt_outs:
        raise UnknownOptOut(_MANDATORY)
    return opt_outs


def _read_token(token: str) -> OptOut:
    try:
        return OptOut(*_signer().unsign_object(token))
    except signing.BadSignature:
        raise UnknownOptOut("This link is not valid.") from None


def opt_out(token: str) -> list[OptOut]:
    """Unsubscribe from everything the token names; repeating it changes nothing.

    Raises `UnknownOptOut`, also for mandatory kinds and kinds that no longer exist.
    """
    opt_outs = list_opt_outs(token)
    if any(row.kind not in ALERT_KINDS or _is_mandatory(row.kind) for row in opt_outs):
        raise UnknownOptOut(_MANDATORY)
    rows = [
        AlertOptOut(
            organization_id=row.organization_id, address=row.address, kind=row.kind
        )
        for row in opt_outs
    ]
    AlertOptOut.objects.bulk_create(rows, ignore_conflicts=True)
    return opt_outs


def opt_in(token: str) -> list[OptOut]:
    """Subscribe again to everything the token names."""
    opt_outs = list_opt_outs(token)
    for row in opt_outs:
        AlertOptOut.objects.filter(
            organization_id=row.organization_id,
            address=row.address.lower(),
            kind=row.kind,
        ).delete()
    return opt_outs


def kinds_opted_out(address: str) -> set[tuple[int, str]]:
    """Return organization and kind of each opt-out of an address.

    Mandatory kinds are left out: they are sent regardless.
    """
    rows = AlertOptOut.objects.filter(address=address.lower())
    pairs = rows.values_list("organization_id", "kind")
    return {(id_, kind) for id_, kind in pairs if not _is_mandatory(kind)}


def _is_mandatory(kind: str) -> bool:
    return kind in ALERT_KINDS and ALERT_KINDS[kind].is_mandatory
