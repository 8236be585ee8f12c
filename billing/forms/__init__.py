"""What people write, in addresses and in fields."""

from billing.forms.actions import (
    FORMS,
    NOW,
    ActionForm,
    SearchForm,
    SeatsChoice,
    TierChoice,
    late_problem,
    price_label,
    tier_choices,
)
from billing.forms.addresses import (
    FleetChoice,
    fleet_choices,
    list_url,
    read_filters,
    read_fleet_scope,
)

__all__ = [
    "FORMS",
    "NOW",
    "ActionForm",
    "FleetChoice",
    "SearchForm",
    "SeatsChoice",
    "TierChoice",
    "fleet_choices",
    "late_problem",
    "list_url",
    "price_label",
    "read_filters",
    "read_fleet_scope",
    "tier_choices",
]
