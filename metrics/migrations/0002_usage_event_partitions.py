"""The events table, partitioned by month; its partitions are made by a command.

Daily tables leave room in each page, so that an update of a sum stays in its page and
touches no index.
"""

from django.db import migrations

CREATE = """
create table metrics_usageevent (
    organization_id bigint not null,
    event_id text not null,
    at timestamp with time zone not null,
    product text not null,
    project_id bigint not null,
    quantities jsonb not null,
    period integer not null,
    price_version integer not null,
    recorded_at timestamp with time zone not null default now(),
    primary key (organization_id, event_id, at),
    constraint usage_event_id_given check (event_id <> ''),
    constraint usage_event_product_given check (product <> ''),
    constraint usage_event_at_sane check (
        at >= '2000-01-01 00:00+00' and at < '2200-01-01 00:00+00'),
    constraint usage_event_period check (period >= 1),
    constraint usage_event_quantities check (
        jsonb_typeof(quantities) = 'object' and quantities <> '{}')
) partition by range (at);
alter table metrics_dailyusage set (fillfactor = 85);
alter table metrics_dailymetric set (fillfactor = 85);
"""


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]

    operations = [
        migrations.RunSQL(CREATE, reverse_sql="drop table metrics_usageevent"),
    ]
