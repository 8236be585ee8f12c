"""Totals of a white label's fleet, and the changes that are still to be folded in.

Both logs of changes are filled and emptied all day: vacuum has to come early.
"""

from django.db import migrations, models

CREATE = """
create table metrics_usagechange (
    organization_id bigint not null,
    id bigint not null generated always as identity,
    day date not null,
    cost numeric(56, 12) not null,
    primary key (organization_id, id)
);
alter table metrics_usagechange set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
"""

FILL = """
alter table metrics_fleetchange set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
alter table metrics_fleettotal set (fillfactor = 70);
insert into metrics_fleettotal (white_label_id, day, product, meter, quantity, cost,
    benchmark_cost, unpriced_quantity)
select o.white_label_id, u.day, u.product, u.meter, sum(u.quantity), sum(u.cost),
    sum(u.benchmark_cost), sum(u.unpriced_quantity)
from metrics_dailyusage u join orgs_organization o on o.id = u.organization_id
group by 1, 2, 3, 4
"""


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0002_usage_event_partitions'),
    ]

    operations = [
        migrations.RunSQL(CREATE, reverse_sql='drop table metrics_usagechange'),
        migrations.CreateModel(
            name='UsageChange',
            fields=[
                ('pk', models.CompositePrimaryKey('organization_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('organization_id', models.BigIntegerField()),
                ('id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('cost', models.DecimalField(decimal_places=12, max_digits=56)),
            ],
            options={
                'db_table': 'metrics_usagechange',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='FleetChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                ('cost', models.DecimalField(decimal_places=12, max_digits=56)),
                ('benchmark_cost', models.DecimalField(decimal_places=12, max_digits=56)),
                ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                ('white_label_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('product', models.TextField()),
                ('meter', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='FleetTotal',
            fields=[
                ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                ('cost', models.DecimalField(decimal_places=12, max_digits=56)),
                ('benchmark_cost', models.DecimalField(decimal_places=12, max_digits=56)),
                ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                ('pk', models.CompositePrimaryKey('white_label_id', 'day', 'product', 'meter', blank=True, editable=False, primary_key=True, serialize=False)),
                ('white_label_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('product', models.TextField()),
                ('meter', models.TextField()),
            ],
        ),
        migrations.AddField(
            model_name='standing',
            name='changes',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.RunSQL(FILL, reverse_sql=migrations.RunSQL.noop),
    ]
