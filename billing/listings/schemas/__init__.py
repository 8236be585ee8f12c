"""Schemas of the lists, one class for a row and one for a page of each."""

from billing.listings.schemas.bodies import page_body

__all__ = ["page_body"]
