"""Pages of who: members, projects, history, API keys."""

from orgs.views.keys import api_keys, revoke_key, rotate_key
from orgs.views.organizations import history, people

__all__ = ["api_keys", "history", "people", "revoke_key", "rotate_key"]
