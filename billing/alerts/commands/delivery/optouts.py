"""What the unsubscribe link of a letter, or of a digest of several, stands for."""

from django.core import signing

from billing.alerts.commands.recipients import (
    OptOut,
    opt_in,
    opt_out,
    opt_out_token,
    read_opt_out,
)
from billing.alerts.kinds import ALERT_KINDS
from billing.errors import UnknownOptOut
from billing.models import Alert, AlertOptOut

_SALT = "digest opt-out"


def digest_token(alert_email_id: int, address: str) -> str:
    return signing.Signer(salt=_SALT).sign_object([alert_email_id, address.lower()])


def list_opt_outs(token: str) -> list[OptOut]:
    """What it would opt out of: one, or each kind and organization of a digest.

    Raises `UnknownOptOut` for a token that is not ours.
    """
    try:
        alert_email_id, address = signing.Signer(salt=_SALT).unsign_object(token)
    except signing.BadSignature:
        return [read_opt_out(token)]
    told = Alert.objects.filter(alert_emails__recipients__digest=alert_email_id)
    pairs = sorted(set(told.values_list("organization_id", "kind")))
    found = [
        OptOut(id_, address, kind) for id_, kind in pairs if not _is_mandatory(kind)
    ]
    if not found:
        raise UnknownOptOut("You can't unsubscribe from service and payment notices.")
    return found


def opt_out_all(token: str) -> list[OptOut]:
    """Once is enough, more change nothing; raises `UnknownOptOut`, also of a duty."""
    found = list_opt_outs(token)
    for one in found:
        opt_out(opt_out_token(one.organization_id, one.address, one.kind))
    return found


def opt_in_all(token: str) -> list[OptOut]:
    """Take it back: who clicked by mistake has the same link."""
    found = list_opt_outs(token)
    for one in found:
        opt_in(one.organization_id, one.address, one.kind)
    return found


def refused_by(address: str) -> set[tuple[int, str]]:
    """Organization and kind of the letters that somebody opted out of, but duties."""
    rows = AlertOptOut.objects.filter(address=address.lower())
    found = rows.values_list("organization_id", "kind")
    return {(id_, kind) for id_, kind in found if not _is_mandatory(kind)}


def _is_mandatory(kind: str) -> bool:
    return kind in ALERT_KINDS and ALERT_KINDS[kind].is_mandatory
