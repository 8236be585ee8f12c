"""The white-label admin API: organizations, people and settings of a white label.

Paths and fields are those of its published clients: camelCase, `{"success": …}`.
Themes, boards, deployment targets and exports are not part of Orgdesk. The operations
that read usage are added by `metrics.api.white_labels`.
"""

from orgs.api.white_labels import (  # noqa: F401  each adds its operations
    organizations,
    people,
    white_labels,
)
from orgs.api.white_labels.common import router

__all__ = ["router"]
