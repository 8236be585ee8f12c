"""Changes of usage carry its whole key: recording appends them, and folding adds them
to daily usage. A view has both.

Emptied by folding all day, the log of changes keeps its pages: an empty one would be
planned to be read whole, and the plan kept when it is long.
"""

from django.db import migrations, models

FOLD = """
with taken as (delete from metrics_usagechange returning organization_id, day, cost)
insert into metrics_standing as s (organization_id, white_label_id, cost_30_days,
    last_usage_on, computed_on, computed_at, changes)
select o.id, o.white_label_id, coalesce(sum(t.cost) filter (
        where t.day > p.computed_on - 30 and t.day <= p.computed_on), 0),
    max(t.day), coalesce(p.computed_on, '2000-01-01'), now(), count(*)
from taken t join orgs_organization o on o.id = t.organization_id
left join metrics_standing p on p.organization_id = o.id
group by o.id, p.computed_on
on conflict (organization_id) do update set
    cost_30_days = s.cost_30_days + excluded.cost_30_days,
    last_usage_on = greatest(s.last_usage_on, excluded.last_usage_on),
    computed_at = excluded.computed_at,
    changes = s.changes + excluded.changes
"""

COLUMNS = """organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced_quantity"""

CREATE = f"""
drop table metrics_usagechange;
create table metrics_usagechange (
    organization_id bigint not null,
    id bigint not null generated always as identity,
    day date not null,
    product text not null,
    meter text not null,
    project_id bigint not null,
    period integer not null,
    quantity numeric(32, 0) not null,
    cost numeric(56, 12) not null,
    benchmark_cost numeric(56, 12) not null,
    unpriced_quantity numeric(32, 0) not null,
    primary key (organization_id, id)
);
alter table metrics_usagechange set (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000, vacuum_truncate = off);
create view metrics_usage as
    select {COLUMNS} from metrics_dailyusage
    union all
    select {COLUMNS} from metrics_usagechange;
"""

DROP = """
drop view metrics_usage;
drop table metrics_usagechange;
create table metrics_usagechange (
    organization_id bigint not null,
    id bigint not null generated always as identity,
    day date not null,
    cost numeric(56, 12) not null,
    primary key (organization_id, id)
);
"""

KEY = [
    ('organization_id', models.BigIntegerField()),
    ('day', models.DateField()),
    ('product', models.TextField()),
    ('meter', models.TextField()),
    ('project_id', models.BigIntegerField()),
    ('period', models.IntegerField()),
    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
    ('cost', models.DecimalField(decimal_places=12, max_digits=56)),
    ('benchmark_cost', models.DecimalField(decimal_places=12, max_digits=56)),
    ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
]


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0005_one_check_of_amounts'),
    ]

    operations = [
        migrations.RunSQL(FOLD, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(CREATE, reverse_sql=DROP),
        migrations.DeleteModel(name='UsageChange'),
        migrations.CreateModel(
            name='UsageChange',
            fields=[
                ('pk', models.CompositePrimaryKey('organization_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                *KEY,
            ],
            options={'db_table': 'metrics_usagechange', 'managed': False},
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('pk', models.CompositePrimaryKey('organization_id', 'day', 'product', 'meter', 'project_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                *KEY,
            ],
            options={'db_table': 'metrics_usage', 'managed': False},
        ),
    ]
