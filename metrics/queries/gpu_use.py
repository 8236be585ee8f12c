"""The organizations of a white label that a change of its GPU weight concerns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from metrics.queries.daily_metrics import daily_metrics
from orgs.models import Organization, WhiteLabel
from orgs.queries.prepared import fetch_all


@dataclass(frozen=True, slots=True)
class GpuUse:
    """GPU use in the open periods of a white label, and who has most of it.

    `organizations` is the number of those with any; the seconds are of all of these.
    `most` are the IDs of the largest, in descending order of GPU seconds.
    """

    organizations: int = 0
    cpu_seconds: int = 0
    gpu_seconds: int = 0
    most: Sequence[int] = ()

    def compute_seconds(self, weight: int) -> int:
        """Return the compute of these organizations with a GPU weight."""
        return self.cpu_seconds + weight * self.gpu_seconds


# One scan of the days of open periods of one white label. The windows are computed
# after the grouping and before the limit, so that they count all organizations.
_USE = """
select m.organization_id, count(*) over (), sum(sum(m.cpu_seconds)) over (),
    sum(sum(m.gpu_seconds)) over ()
from orgs_organization o
join metrics_openperiod p on p.organization_id = o.id
join metrics_dailymetric m on m.organization_id = o.id
    and m.day >= (p.starts_at at time zone %(zone)s)::date
where o.white_label_id = %(white_label_id)s and o.deleted_at is null
group by m.organization_id
having sum(m.gpu_seconds) > 0
order by sum(m.gpu_seconds) desc, m.organization_id
limit %(count)s
"""


def find_gpu_use(white_label: WhiteLabel, *, count: int) -> GpuUse:
    """Return the GPU use of the open periods, with at most `count` organizations."""
    parameters = {
        "white_label_id": white_label.pk,
        "zone": white_label.time_zone,
        "count": count,
    }
    rows = fetch_all(_USE, parameters)
    if not rows:
        return GpuUse()
    _, organizations, cpu, gpu = rows[0]
    ids = [id_ for id_, *_ in rows]
    return GpuUse(organizations, int(cpu), int(gpu), ids)


def period_compute(organization: Organization, *, since: date, today: date) -> int:
    """Return the weighted compute of an organization since a day, as its pages do."""
    days = (today - since).days + 1
    rows = daily_metrics(organization, last=today, days=max(days, 1))
    return sum(row.compute_seconds for row in rows)
