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
from orgs.commands.founding import create_with_admin, create_with_key
from orgs.commands.jobs import (
    cancel_jobs,
    claim_job,
    do_job,
    retry_job,
    start_deletion,
    start_job,
)
from orgs.commands.keys import create_api_key, revoke_api_key, rotate_api_key
from orgs.commands.organizations import (
    IncomingEntitlements,
    IncomingMember,
    IncomingOrganization,
    IncomingProject,
    announce_created,
    announce_entitlements,
    announce_people,
    ensure_projects,
    load_organizations,
)
from orgs.commands.white_labels import (
    change_white_label,
    create_owner,
    create_white_label,
)

__all__ = [
    "IncomingEntitlements",
    "IncomingMember",
    "IncomingOrganization",
    "IncomingProject",
    "add_member",
    "add_project",
    "announce_created",
    "announce_entitlements",
    "announce_people",
    "cancel_jobs",
    "change_organization",
    "change_person",
    "change_white_label",
    "claim_job",
    "create_api_key",
    "create_organization",
    "create_owner",
    "create_white_label",
    "create_with_admin",
    "create_with_key",
    "delete_organization",
    "do_job",
    "ensure_projects",
    "load_organizations",
    "remove_person",
    "restore_organization",
    "retry_job",
    "revoke_api_key",
    "rotate_api_key",
    "set_entitlements",
    "start_deletion",
    "start_job",
]
