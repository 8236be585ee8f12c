"""Reads of alerts: current measurements, the status of each kind, and the history.

- `statuses.list_statuses(organization_id, now=…)`: whether each kind is triggered, and
  why not
- `statuses.simulate(organization_id, Scenario(spend=…), now=…)`: the alerts that
  another cost would trigger; `preview_limits` does the same for edited limits
- `history.list_alerts` is the timeline of an organization, `list_fleet_alerts` and
  `count_unsent` are those of all organizations
- `recipients.find_recipients([id])[id]`: addresses, opt-outs, and the end of a snooze
"""
