"""Template filters of the price book."""

from decimal import Decimal

from django import template

from metrics.catalog import METERS
from orgs.decimals import plain

register = template.Library()


@register.filter
def meter_label(slug: str) -> str:
    """Return what a meter is called; its slug if it is not in the catalog."""
    return METERS[slug].label if slug in METERS else slug


@register.filter
def plain_price(price: Decimal) -> str:
    """Return a price with all its digits, without an exponent or trailing zeros."""
    return plain(price)
