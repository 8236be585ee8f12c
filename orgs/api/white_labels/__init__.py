"""The white-label admin API: organizations, people and settings of a white label.

Paths and fields are those of its published clients: camelCase, `{"success": …}`.
`docs/api/white-label-admin.md` lists what is not served. The operations that read usage
are added by `metrics.api.white_labels`.
"""

from orgs.api.white_labels import (  # noqa: F401  each adds its operations
    organizations,
    people,
    projects,
    users,
    white_labels,
)
from orgs.api.white_labels.common import router

__all__ = ["router"]
