"""The use of API keys: which addresses may use one, and what is recorded of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address

from django.db import transaction

from orgs.access.addresses import address_block
from orgs.errors import Forbidden
from orgs.models import ApiKey, ApiKeyAddress
from orgs.networks import Network, read_networks
from orgs.queries.key_lookup import KeyFacts
from orgs.security_log import Actor, ActorKind, Kind, record

_RECORD_EVERY = timedelta(minutes=1)  # one write a minute per key, not per call
_MOST_ADDRESSES = 1_000  # of one key; later ones are not recorded
_MOST_RECENT = 10_000
# What this process has recorded: a key that is used from two addresses in turn does not
# write at each call.
_recent: dict[tuple[int, str], None] = {}


class AddressNotAllowed(Forbidden):
    """The API key may not be used from the address of the call."""

    code = "address_not_allowed"


def note_use(key: KeyFacts, address: str, now: datetime) -> None:
    """Check the address of a call, and record the use of its key where that is due.

    A refusal and a new address are security events. Raises `AddressNotAllowed`.
    """
    if not is_allowed_from(key.address_ranges, address):
        _record(Kind.API_KEY_REFUSED, key, {"reason": "address"})
        require_address(key, address)
    if is_use_due(key, address, now) and record_use(key, address, now):
        _record(Kind.API_KEY_NEW_ADDRESS, key, {})


def _record(kind: Kind, key: KeyFacts, details: Mapping[str, str]) -> None:
    actor = Actor(ActorKind.API_KEY, key.id, key.label, key.white_label_id)
    record(kind, actor=actor, account=key.label, details=details)


def require_address(key: KeyFacts, address: str) -> None:
    """Raise `AddressNotAllowed` unless the key may be used from the address."""
    if not is_allowed_from(key.address_ranges, address):
        raise AddressNotAllowed("This API key may not be used from this address.")


def is_allowed_from(ranges: Sequence[str], address: str) -> bool:
    """Return whether an address is in one of the ranges; always if there are none.

    A text that is no address, as of a Unix socket, is in no range.
    """
    if not ranges:
        return True
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _networks(tuple(ranges)))


def is_use_due(key: KeyFacts, address: str, now: datetime) -> bool:
    """Return whether the use of a key has to be recorded: once a minute and address."""
    if key.used_at is None or now - key.used_at > _RECORD_EVERY:
        return True
    is_known = key.used_address is None or key.used_address == address
    return not is_known and (key.id, address_block(address)) not in _recent


def record_use(key: KeyFacts, address: str, now: datetime) -> bool:
    """Record the use of a key; return whether its address is new to the key.

    The first address of a key is not new: there is nothing to compare it with.
    """
    is_address = _is_address(address)
    ApiKey.objects.filter(pk=key.id).update(
        last_used_at=now, last_used_address=address if is_address else None
    )
    return is_address and _is_new(key, address_block(address), now)


def _is_new(key: KeyFacts, block: str, now: datetime) -> bool:
    if (key.id, block) in _recent:
        return False
    earlier = ApiKeyAddress.objects.filter(api_key=key.id)
    known = set(earlier.values_list("address", flat=True)[:_MOST_ADDRESSES])
    if block not in known and len(known) < _MOST_ADDRESSES:
        row = ApiKeyAddress(api_key_id=key.id, address=block, first_used_at=now)
        with transaction.atomic():
            ApiKeyAddress.objects.bulk_create([row], ignore_conflicts=True)
    _remember(key.id, block)
    return bool(known) and block not in known


def _remember(key_id: int, block: str) -> None:
    if len(_recent) >= _MOST_RECENT:
        _recent.clear()
    _recent[key_id, block] = None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1_000)
def _networks(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    return read_networks(",".join(ranges))
