"""Reads of who: organizations by the company's ids, heads, white labels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from orgs.models import Entitlements, Organization, Project, WhiteLabel
from orgs.queries.prepared import array, fetch_all


def get_white_label(slug: str) -> WhiteLabel:
    """Raises `WhiteLabel.DoesNotExist`."""
    return WhiteLabel.objects.get(slug=slug)


@dataclass(frozen=True, slots=True)
class Reference:
    """What it takes to recognize an organization that somebody named."""

    id: int
    external_id: str
    is_deleted: bool


def list_references(
    white_label_id: int,
    *,
    ids: Collection[int] = (),
    external_ids: Collection[str] = (),
) -> list[Reference]:
    """The organizations of a white label among those named, deleted ones marked."""
    rows = fetch_all(
        _REFERENCES,
        {
            "white_label": white_label_id,
            "ids": array(ids),
            "external_ids": list(external_ids),
        },
    )
    return [Reference(*row) for row in rows]


# Each half by its own index; with `or` in one condition neither is used. Who is named
# both ways comes twice.
_REFERENCES = """
select id, external_id, deleted_at is not null from orgs_organization
where white_label_id = %(white_label)s and id = any(%(ids)s::bigint[])
union all
select id, external_id, deleted_at is not null from orgs_organization
where white_label_id = %(white_label)s and external_id = any(%(external_ids)s::text[])
"""


def find_project_ids(
    organization_ids: Collection[int], external_ids: Collection[str]
) -> dict[tuple[int, str], int]:
    """Ids by (organization id, external id); a superset of the pairs is fine."""
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
    """Organization id by project id."""
    rows = Project.objects.filter(id__in=project_ids)
    return dict(rows.values_list("id", "organization_id"))


_LIMITS = (
    *("storage_bytes", "compute_seconds_per_year", "gpu_seconds_per_year"),
    *("projects", "users"),
)
_ENTITLEMENTS = f"""
select {", ".join(_LIMITS)} from orgs_entitlements
where organization_id = %(organization_id)s
"""  # noqa: S608  names come from our own list


def get_entitlements(organization: Organization) -> Entitlements:
    """Those agreed, or none at all: everything is unlimited."""
    rows = fetch_all(_ENTITLEMENTS, {"organization_id": organization.pk})
    return _entitlements(organization, rows[0] if rows else [None] * len(_LIMITS))


def _entitlements(organization: Organization, limits: Sequence[Any]) -> Entitlements:
    agreed = dict(zip(_LIMITS, limits, strict=True))
    return Entitlements(organization=organization, **agreed)


@dataclass(frozen=True, slots=True)
class Heads:
    """How many belong to an organization now."""

    members: int
    staff: int
    projects: int


_HEADS = f"""
select m.members, m.staff, p.projects, {", ".join(f"e.{name}" for name in _LIMITS)}
from (select count(*) as members, count(*) filter (where is_staff) as staff
    from orgs_member where organization_id = %(id)s and deleted_at is null) m
cross join (select count(*) as projects
    from orgs_project where organization_id = %(id)s and deleted_at is null) p
left join orgs_entitlements e on e.organization_id = %(id)s
"""  # noqa: S608  names come from our own list


def heads_and_limits(organization: Organization) -> tuple[Heads, Entitlements]:
    """Who is there, and how many may be; in one statement."""
    [(members, staff, projects, *limits)] = fetch_all(_HEADS, {"id": organization.id})
    return Heads(members, staff, projects), _entitlements(organization, limits)


def count_heads(organization: Organization) -> Heads:
    return heads_and_limits(organization)[0]
