"""Look-ups of organizations, projects, entitlements and headcounts by id."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orgs.models import Entitlements, Organization, Project, WhiteLabel
from orgs.queries.prepared import array, fetch_all


def get_white_label(slug: str) -> WhiteLabel:
    """Return the white label of a slug; raise `WhiteLabel.DoesNotExist`."""
    return WhiteLabel.objects.get(slug=slug)


@dataclass(frozen=True, slots=True)
class Reference:
    """The ids by which a caller may name an organization."""

    id: int
    external_id: str
    deleted_at: datetime | None


def list_references(
    white_label_id: int,
    *,
    ids: Collection[int] = (),
    external_ids: Collection[str] = (),
) -> list[Reference]:
    """Return the organizations of a white label that have one of these ids.

    Deleted ones are included. One that is named by both of its ids is returned twice.
    """
    rows = fetch_all(
        _REFERENCES,
        {
            "white_label": white_label_id,
            "ids": array(ids),
            "external_ids": list(external_ids),
        },
    )
    return [Reference(*row) for row in rows]


# Each half uses an index of its kind of id; one condition with `or` would use neither.
_REFERENCES = """
select id, external_id, deleted_at from orgs_organization
where white_label_id = %(white_label)s and id = any(%(ids)s::bigint[])
union all
select id, external_id, deleted_at from orgs_organization
where white_label_id = %(white_label)s and external_id = any(%(external_ids)s::text[])
"""


def find_project_ids(
    organization_ids: Collection[int], external_ids: Collection[str]
) -> dict[tuple[int, str], int]:
    """Return project ids by (organization id, external id).

    Every project that has one of the organizations and one of the external ids is
    returned, so pairs that were not asked for may be in it.
    """
    rows = Project.objects.filter(
        organization_id__in=organization_ids, external_id__in=external_ids
    )
    return {
        (organization_id, external_id): id_
        for organization_id, external_id, id_ in rows.values_list(
            "organization_id", "external_id", "id"
        )
    }


def find_project_owners(project_ids: Collection[int]) -> dict[int, int]:
    """Return the organization ids of projects, by project id."""
    rows = Project.objects.filter(id__in=project_ids)
    return dict(rows.values_list("id", "organization_id"))


_LIMITS = (
    "storage_bytes",
    "compute_seconds_per_year",
    "gpu_seconds_per_year",
    "projects",
    "users",
)
_ENTITLEMENTS = f"""
select {", ".join(_LIMITS)} from orgs_entitlements
where organization_id = %(organization_id)s
"""  # noqa: S608  the names are constants


def get_entitlements(organization: Organization) -> Entitlements:
    """Return an organization's entitlements; a limit that is None is unlimited.

    An organization without a row has no limits at all.
    """
    rows = fetch_all(_ENTITLEMENTS, {"organization_id": organization.pk})
    return _entitlements(organization, rows[0] if rows else [None] * len(_LIMITS))


def _entitlements(organization: Organization, limits: Sequence[Any]) -> Entitlements:
    values = dict(zip(_LIMITS, limits, strict=True))
    return Entitlements(organization=organization, **values)


@dataclass(frozen=True, slots=True)
class Headcount:
    """The numbers of an organization's active members and projects.

    `staff` counts the members who work for the white label.
    """

    members: int
    staff: int
    projects: int


# Two counts over partial indexes of what is not deleted, and the entitlements, if any.
_HEADCOUNT = f"""
select m.members, m.staff, p.projects, {", ".join(f"e.{name}" for name in _LIMITS)}
from (select count(*) as members, count(*) filter (where is_staff) as staff
    from orgs_member where organization_id = %(id)s and deleted_at is null) m
cross join (select count(*) as projects
    from orgs_project where organization_id = %(id)s and deleted_at is null) p
left join orgs_entitlements e on e.organization_id = %(id)s
"""  # noqa: S608  the names are constants


def get_headcount_and_entitlements(
    organization: Organization,
) -> tuple[Headcount, Entitlements]:
    """Return an organization's headcount and entitlements; one statement."""
    rows = fetch_all(_HEADCOUNT, {"id": organization.id})
    members, staff, projects, *limits = rows[0]
    headcount = Headcount(members, staff, projects)
    return headcount, _entitlements(organization, limits)


def get_headcount(organization: Organization) -> Headcount:
    """Return an organization's headcount."""
    return get_headcount_and_entitlements(organization)[0]
