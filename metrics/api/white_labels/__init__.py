"""The operations of the white-label admin API that read usage.

They are added to the router of `orgs.api.white_labels`; the totals of compute come in
three units, as the published clients expect.
"""

from metrics.api.white_labels import (  # noqa: F401  each adds its operations
    info,
    lists,
    usage,
    users_and_projects,
)
from metrics.api.white_labels.info import info_body
from orgs.api.white_labels import router

__all__ = ["info_body", "router"]
