"""What people write, in addresses and in fields."""

from billing.forms.addresses import (
    FleetChoice,
    fleet_choices,
    list_url,
    read_filters,
    read_fleet_scope,
)

__all__ = [
    "FleetChoice",
    "fleet_choices",
    "list_url",
    "read_filters",
    "read_fleet_scope",
]
