"""Alerts: what is measured, what was recorded, and why.

For the pages:
- `explain(organization_id, now=…, kind=…)`: why, and why not, kind by kind
- `simulate(organization_id, Suppose(spend=…), now=…)`: what would fire
- `preview_limits(organization_id, soft=…, hard=…, now=…)`: the same of edited limits
- `list_alerts` is the timeline, `list_fleet_alerts` and `count_unsent` are the fleet's
- `find_recipients([id])[id]`: who is told, who opted out, until when it is snoozed
"""
