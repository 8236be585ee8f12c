"""Contract A: the organizations of a white label, for the published admin clients.

Its words are the client's: camelCase, `{"success": …}`, three totals of compute with
three units. Themes, boards, deployment targets and exports are not part of Orgdesk.
"""

from metrics.api.whitelabel import (  # noqa: F401  each adds its operations
    crowds,
    info,
    labels,
    lists,
    organizations,
    people,
    usage,
)
from metrics.api.whitelabel.doors import router

__all__ = ["router"]
