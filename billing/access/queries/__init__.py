"""Reads of access: the facts of the decision, what explains it, and its history.

- `facts.list_refusals(organization_id, now=…)`: why access is refused
- `explanations.explain_access(organization, now=…)`: the same with figures, and the
  smallest actions that lift each reason
- `refusals.list_access_refusals(organization_id)`: the history
"""
