"""What the company's vocabulary allows: scopes of keys, time zones, currencies."""

from enum import StrEnum
from functools import cache
from zoneinfo import available_timezones


class Scope(StrEnum):
    """What a key may do; a key has at least one."""

    USAGE_WRITE = "usage:write"
    ORGANIZATIONS_READ = "organizations:read"
    ORGANIZATIONS_WRITE = "organizations:write"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    INTEGRATIONS_WRITE = "integrations:write"


# Stripe's published list: how many digits the minor unit of a currency has.
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_TWO_DECIMAL = (
    "usd aed ars aud brl cad chf cny cop czk dkk eur gbp hkd huf idr ils inr isk mxn"
    " myr nok nzd php pln ron sek sgd thb try twd uah ugx zar"
)
_THREE_DECIMAL = "bhd jod kwd omr tnd"
CURRENCY_DIGITS = (
    dict.fromkeys(_ZERO_DECIMAL.split(), 0)
    | dict.fromkeys(_TWO_DECIMAL.split(), 2)
    | dict.fromkeys(_THREE_DECIMAL.split(), 3)
)


@cache
def time_zones() -> frozenset[str]:
    """Zone names that mean the same on every host: `Region/City` and `UTC`.

    Left out are the host's own (`localtime`), the legacy abbreviations and the
    `posix/` twins; Python and PostgreSQL both know all that remain.
    """
    regions = {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia",
        "Europe", "Indian", "Pacific",
    }  # fmt: skip
    return frozenset(
        name for name in available_timezones() if name.partition("/")[0] in regions
    ) | {"UTC"}
