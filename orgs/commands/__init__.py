"""Writes of who: white labels, organizations, people, keys."""

from orgs.commands.editing import (
    add_member,
    add_project,
    change_organization,
    change_person,
    create_organization,
    delete_organization,
    remove_person,
    restore_organization,
    set_entitlements,
)
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
    "add_member",
    "add_project",
    "announce_created",
    "announce_people",
    "change_organization",
    "change_person",
    "create_api_key",
    "create_organization",
    "create_owner",
    "create_white_label",
    "delete_organization",
    "ensure_projects",
    "load_organizations",
    "remove_person",
    "restore_organization",
    "set_entitlements",
]
