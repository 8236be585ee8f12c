"""Refusals of this app."""

from orgs.errors import DomainError


class InvalidDateRange(DomainError):
    code = "costs.invalid_date_range"


class RatesRefused(DomainError):
    code = "rates.invalid"


class EndpointNotAllowed(DomainError):
    code = "endpoint_not_allowed"
