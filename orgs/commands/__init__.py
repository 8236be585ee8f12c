"""Writes of who: white labels, organizations, people, keys."""

from orgs.commands.keys import create_api_key
from orgs.commands.organizations import (
    IncomingEntitlements,
    IncomingMember,
    IncomingOrganization,
    IncomingProject,
    announce_created,
    announce_people,
    ensure_projects,
    load_organizations,
)
from orgs.commands.white_labels import create_owner, create_white_label

__all__ = [
    "IncomingEntitlements",
    "IncomingMember",
    "IncomingOrganization",
    "IncomingProject",
    "announce_created",
    "announce_people",
    "create_api_key",
    "create_owner",
    "create_white_label",
    "ensure_projects",
    "load_organizations",
]
