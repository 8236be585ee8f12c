"""Alerts: what is measured, what was recorded, and why.

For the pages:
- `explain(organization_id, now=…, kind=…)`: why, and why not, kind by kind
- `simulate(organization_id, Suppose(spend=…), now=…)`: what would fire
- `preview_limits(organization_id, soft=…, hard=…, now=…)`: the same of edited limits
- `list_alerts` is the timeline, `list_fleet_alerts` and `count_unsent` are the fleet's
- `find_told([id])[id]`: who is told, who opted out, until when it is snoozed
"""

from billing.queries.alerts.candidates import list_after, list_due, list_limited
from billing.queries.alerts.explaining import (
    Explanation,
    Verdict,
    explain,
    preview_limits,
    simulate,
)
from billing.queries.alerts.listing import (
    COUNTED,
    count_unsent,
    list_alerts,
    list_fired,
    list_fleet_alerts,
    list_sent,
)
from billing.queries.alerts.measuring import (
    Crossing,
    Measured,
    Suppose,
    find_changes,
    measure,
)
from billing.queries.alerts.recipients import Told, find_told

__all__ = [
    "COUNTED",
    "Crossing",
    "Explanation",
    "Measured",
    "Suppose",
    "Told",
    "Verdict",
    "count_unsent",
    "explain",
    "find_changes",
    "find_told",
    "list_after",
    "list_alerts",
    "list_due",
    "list_fired",
    "list_fleet_alerts",
    "list_limited",
    "list_sent",
    "measure",
    "preview_limits",
    "simulate",
]
