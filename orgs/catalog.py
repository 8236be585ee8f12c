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


# The decimal digits of each currency that Stripe charges, from the list that it
# publishes: two unless the currency has none or three. ISK and UGX have no minor unit,
# but Stripe counts them in hundredths; `billing.money` rounds them to whole units. HUF
# and TWD are charged in hundredths, and only paid out in whole units.
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMAL = "bhd jod kwd omr tnd"
_TWO_DECIMAL = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn"
    " bwp byn bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp"
    " gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt"
    " lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio"
    " nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle"
    " sos srd std stn svc szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst xcd"
    " xcg yer zar zmw"
)
# No longer charged; old invoices still have them.
_FORMER = "eek hrk ltl lvl mro sll vef"
MONEY_DIGITS, MONEY_PLACES = 24, 12  # of columns with amounts
CURRENCY_DIGITS = (
    dict.fromkeys(_ZERO_DECIMAL.split(), 0)
    | dict.fromkeys((*_TWO_DECIMAL.split(), *_FORMER.split()), 2)
    | dict.fromkeys(_THREE_DECIMAL.split(), 3)
)


def currency_code(text: str) -> str:
    """Return a currency code as it is stored: in lowercase, without spaces around."""
    return text.strip().lower()


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
