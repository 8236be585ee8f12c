"""Signed links to the file of a usage report, which a browser can follow."""

from datetime import timedelta

from django.core import signing
from django.http import HttpRequest

from orgs.access import Principal, row_id
from orgs.catalog import Scope
from orgs.models import WhiteLabel

LIFETIME = timedelta(hours=1)
_SALT = "usage report download"


def signed_link(path: str) -> str:
    """Return the path with a signature, with which the file is read for an hour."""
    signature = signing.TimestampSigner(salt=_SALT).sign(path).removeprefix(f"{path}:")
    return f"{path}?signature={signature}"


def read_link(request: HttpRequest) -> Principal | None:
    """Return a principal that may read the file of a valid link; None for any other.

    It stands for the caller that got the link, and sees the white label of the path.
    """
    text = request.GET.get("signature", "")
    try:
        signer = signing.TimestampSigner(salt=_SALT)
        signer.unsign(f"{request.path_info}:{text}", max_age=LIFETIME)
    except signing.BadSignature:
        return None
    ids = request.resolver_match.kwargs if request.resolver_match else {}
    owner = row_id(ids.get("organization_id", 0))
    label = WhiteLabel.objects.filter(owner_id=owner).first()
    scopes = frozenset({Scope.ORGANIZATIONS_READ})
    if label is None:
        return None
    return Principal("download link", scopes, white_label_id=label.pk)
