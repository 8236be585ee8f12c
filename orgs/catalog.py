"""The allowed scopes of API keys, time zones and currencies."""

from enum import StrEnum
from functools import cache
from zoneinfo import available_timezones


class Scope(StrEnum):
    """A permission of an API key; each key has at least one."""

    USAGE_WRITE = "usage:write"
    ORGANIZATIONS_READ = "organizations:read"
    ORGANIZATIONS_WRITE = "organizations:write"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    INTEGRATIONS_WRITE = "integrations:write"


# The decimal digits of each currency, from the list that Stripe publishes.
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
    """Return the time zones that are the same on every host: `Region/City` and `UTC`.

    Not included are the zone of the host (`localtime`), legacy abbreviations and the
    copies below `posix/`. Python and PostgreSQL both have all others.
    """
    regions = {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia",
        "Europe", "Indian", "Pacific",
    }  # fmt: skip
    return frozenset(
        name for name in available_timezones() if name.partition("/")[0] in regions
    ) | {"UTC"}
