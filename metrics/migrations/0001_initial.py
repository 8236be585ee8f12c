"""All tables of the app, with what Django's models cannot express.

That is: usage events partitioned by month, pending usage without a primary key, the
view of daily plus pending usage, and storage parameters of tables that are updated all
day.
"""


import orgs.models.fields
import datetime
import django.db.models.deletion
import django.db.models.functions.math
from decimal import Decimal
import django.db.models.expressions
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import uuid
import orgs.models.fields
from django.db import migrations, models

from metrics.migrations import _partitions

from orgs.migrations._at_once import AtOnce

# Partitioned by month, so that old events are dropped with their partition instead of
# deleted row by row. `at` is part of the primary key because PostgreSQL requires the
# partition key there. Partitions are created ahead of time by
# `metrics.commands.partitions`.
CREATE_USAGE_EVENTS = """
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
    constraint usage_event_at_in_range check (
        at >= '2000-01-01 00:00+00' and at < '2200-01-01 00:00+00'),
    constraint usage_event_period check (period >= 1),
    constraint usage_event_quantities check (
        jsonb_typeof(quantities) = 'object' and quantities <> '{}')
) partition by range (at)
"""

# Recording appends to this table; the roll-up adds its rows to daily usage and deletes
# them. It has no primary key: generating a number and checking that it is unique was a
# quarter of the cost of an insert. Readers look up the rows of one organization.
CREATE_PENDING_USAGE = """
create table metrics_pendingusage (
    organization_id bigint not null,
    day date not null,
    product text not null,
    meter text not null,
    project_id bigint not null,
    period integer not null,
    quantity numeric(32, 0) not null,
    cost numeric not null,
    benchmark_cost numeric not null,
    unpriced_quantity numeric(32, 0) not null
);
create index pending_usage_organization on metrics_pendingusage (organization_id)
"""

# Several rows of the view can have the same key: readers add them up.
USAGE_COLUMNS = """organization_id, day, product, meter, project_id, period, quantity, cost,
    benchmark_cost, unpriced_quantity"""
CREATE_USAGE_VIEW = f"""
create view metrics_usage as
    select {USAGE_COLUMNS} from metrics_dailyusage
    union all
    select {USAGE_COLUMNS} from metrics_pendingusage
"""

# Both pending tables are filled and emptied all day, so vacuum runs after 10,000 dead
# rows, whatever the table's size. Pending usage keeps its pages when it is empty: for a
# table without pages the planner chooses a sequential scan, and prepared statements
# would keep that plan when the table has grown.
SET_PENDING_AUTOVACUUM = """
alter table metrics_pendingusage set (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000, vacuum_truncate = off);
alter table metrics_pendingfleetusage set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)
"""

# Free space in each page, so that an update stays in its page (a HOT update) and does
# not touch the indexes.
SET_FILLFACTORS = """
alter table metrics_dailyusage set (fillfactor = 85);
alter table metrics_dailymetric set (fillfactor = 85);
alter table metrics_fleettotal set (fillfactor = 70)
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('orgs', '0001_initial'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        AtOnce([
            migrations.CreateModel(
                name='PendingUsage',
                fields=[
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                    ('benchmark_cost', orgs.models.fields.ExactDecimalField()),
                    ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                    ('project_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', 'product', 'meter', 'project_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                ],
                options={
                    'db_table': 'metrics_pendingusage',
                    'managed': False,
                },
            ),
            migrations.CreateModel(
                name='Usage',
                fields=[
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                    ('benchmark_cost', orgs.models.fields.ExactDecimalField()),
                    ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                    ('project_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', 'product', 'meter', 'project_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                ],
                options={
                    'db_table': 'metrics_usage',
                    'managed': False,
                },
            ),
            migrations.CreateModel(
                name='UsageEvent',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'event_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('event_id', models.TextField()),
                    ('at', models.DateTimeField()),
                    ('product', models.TextField()),
                    ('project_id', models.BigIntegerField()),
                    ('quantities', models.JSONField()),
                    ('period', models.IntegerField()),
                    ('price_version', models.IntegerField()),
                    ('recorded_at', models.DateTimeField(default=django.utils.timezone.now)),
                ],
                options={
                    'db_table': 'metrics_usageevent',
                    'managed': False,
                },
            ),
            migrations.CreateModel(
                name='Correction',
                fields=[
                    ('id', models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                    ('white_label', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orgs.whitelabel')),
                    ('kind', models.CharField(choices=[('rebuild', 'Rebuild'), ('rerate', 'Rerate'), ('void', 'Void'), ('split', 'Split'), ('storage', 'Storage'), ('writeoff', 'Write Off')], max_length=8)),
                    ('by', models.CharField(max_length=200)),
                    ('note', models.TextField()),
                    ('organizations', models.PositiveIntegerField(default=0)),
                    ('rows', models.PositiveBigIntegerField(default=0)),
                    ('cost', orgs.models.fields.ExactDecimalField(default=0)),
                    ('started_at', models.DateTimeField()),
                    ('finished_at', models.DateTimeField(null=True)),
                    ('idempotency_key', models.CharField(default=orgs.models.fields.new_key, max_length=255)),
                    ('arguments', models.CharField(blank=True, default='', max_length=64)),
                ],
                options={
                    'constraints': [models.UniqueConstraint(fields=('white_label', 'idempotency_key'), name='correction_key_unique'), models.CheckConstraint(condition=models.Q(('by', ''), _negated=True), name='correction_by_given'), models.CheckConstraint(condition=models.Q(('note', ''), _negated=True), name='correction_note_given'), models.CheckConstraint(condition=models.Q(('idempotency_key', ''), _negated=True), name='correction_idempotency_key_given'), models.CheckConstraint(condition=models.Q(('started_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('started_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='correction_started_at_in_range'), models.CheckConstraint(condition=models.Q(('finished_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('finished_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='correction_finished_at_in_range'), models.CheckConstraint(condition=models.Q(('finished_at__isnull', True), ('finished_at__gte', models.F('started_at')), _connector='OR'), name='correction_finished_at_after_started_at'), models.CheckConstraint(condition=models.Q(('kind__in', ['rebuild', 'rerate', 'void', 'split', 'storage', 'writeoff'])), name='correction_kind')],
                },
            ),
            migrations.CreateModel(
                name='DailyMetric',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('members_added', models.PositiveIntegerField(db_default=0)),
                    ('members_deleted', models.PositiveIntegerField(db_default=0)),
                    ('staff_added', models.PositiveIntegerField(db_default=0)),
                    ('staff_deleted', models.PositiveIntegerField(db_default=0)),
                    ('projects_added', models.PositiveIntegerField(db_default=0)),
                    ('projects_deleted', models.PositiveIntegerField(db_default=0)),
                    ('cpu_seconds', models.DecimalField(db_default=0, decimal_places=0, max_digits=32)),
                    ('gpu_seconds', models.DecimalField(db_default=0, decimal_places=0, max_digits=32)),
                    ('storage_bytes_added', models.DecimalField(db_default=0, decimal_places=0, max_digits=32)),
                    ('storage_bytes_deleted', models.DecimalField(db_default=0, decimal_places=0, max_digits=32)),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('members_added__gte', 0)), name='daily_metric_members_added_ge_0'), models.CheckConstraint(condition=models.Q(('members_deleted__gte', 0)), name='daily_metric_members_deleted_ge_0'), models.CheckConstraint(condition=models.Q(('projects_added__gte', 0)), name='daily_metric_projects_added_ge_0'), models.CheckConstraint(condition=models.Q(('projects_deleted__gte', 0)), name='daily_metric_projects_deleted_ge_0'), models.CheckConstraint(condition=models.Q(('cpu_seconds__gte', 0)), name='daily_metric_cpu_seconds_ge_0'), models.CheckConstraint(condition=models.Q(('gpu_seconds__gte', 0)), name='daily_metric_gpu_seconds_ge_0'), models.CheckConstraint(condition=models.Q(('storage_bytes_added__gte', 0)), name='daily_metric_storage_bytes_added_ge_0'), models.CheckConstraint(condition=models.Q(('storage_bytes_deleted__gte', 0)), name='daily_metric_storage_bytes_deleted_ge_0'), models.CheckConstraint(condition=models.Q(('staff_added__lte', models.F('members_added')), ('staff_deleted__lte', models.F('members_deleted'))), name='daily_metric_staff_within')],
                },
            ),
            migrations.CreateModel(
                name='DailyUsage',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', 'product', 'meter', 'project_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                    ('project_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                    ('benchmark_cost', orgs.models.fields.ExactDecimalField()),
                    ('unpriced_quantity', models.DecimalField(decimal_places=0, default=0, max_digits=32)),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('cost__gte', 0), ('benchmark_cost__gte', 0), ('unpriced_quantity__gte', 0), ('quantity__gte', models.F('unpriced_quantity')), ('period__gte', 1)), name='daily_usage_in_range')],
                    'indexes': [models.Index(condition=models.Q(('unpriced_quantity', 0), _negated=True), fields=['organization_id', 'period'], name='daily_usage_unpriced')],
                },
            ),
            migrations.CreateModel(
                name='FleetTotal',
                fields=[
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                    ('benchmark_cost', orgs.models.fields.ExactDecimalField()),
                    ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('pk', models.CompositePrimaryKey('white_label_id', 'day', 'product', 'meter', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('white_label_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                ],
                options={
                    'abstract': False,
                },
            ),
            migrations.CreateModel(
                name='Integration',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                    ('kind', models.CharField(choices=[('prom', 'Prometheus'), ('loki', 'Loki')], max_length=4)),
                    ('instance_id', models.CharField(max_length=200)),
                    ('endpoint', models.CharField(max_length=2000)),
                    ('token', models.BinaryField(max_length=4096)),
                    ('set_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('paused_at', models.DateTimeField(null=True)),
                ],
                options={
                    'constraints': [models.UniqueConstraint(fields=('organization', 'kind'), name='integration_unique'), models.CheckConstraint(condition=models.Q(('kind__in', ['prom', 'loki'])), name='integration_kind'), models.CheckConstraint(condition=models.Q(('instance_id', ''), _negated=True), name='integration_instance_id_given'), models.CheckConstraint(condition=models.Q(('endpoint', ''), _negated=True), name='integration_endpoint_given'), models.CheckConstraint(condition=models.Q(('set_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('set_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='integration_set_at_in_range'), models.CheckConstraint(condition=models.Q(('paused_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('paused_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='integration_paused_at_in_range')],
                },
            ),
            migrations.CreateModel(
                name='IntegrationEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='metrics.integration')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('organization', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('kind', models.CharField(choices=[('prom', 'Prometheus'), ('loki', 'Loki')], max_length=4)),
                    ('instance_id', models.CharField(max_length=200)),
                    ('endpoint', models.CharField(max_length=2000)),
                    ('set_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('paused_at', models.DateTimeField(null=True)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='integration_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='OpenPeriod',
                fields=[
                    ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='orgs.organization')),
                    ('number', models.PositiveIntegerField(default=1)),
                    ('starts_at', models.DateTimeField()),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('starts_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('starts_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='open_period_starts_at_in_range'), models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='open_period_number')],
                },
            ),
            migrations.CreateModel(
                name='OrganizationRanking',
                fields=[
                    ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='ranking', serialize=False, to='orgs.organization')),
                    ('white_label', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.whitelabel')),
                    ('cost_30_days', orgs.models.fields.ExactDecimalField(default=0)),
                    ('last_usage_on', models.DateField(null=True)),
                    ('computed_on', models.DateField()),
                    ('computed_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('rolled_up_changes', models.BigIntegerField(db_default=0)),
                    ('cost_30_days_before', orgs.models.fields.ExactDecimalField(db_default=0)),
                    ('currency', models.CharField(db_default='', max_length=3)),
                    ('growth', models.GeneratedField(db_persist=True, expression=models.Case(models.When(cost_30_days_before__gt=0, then=django.db.models.functions.math.Round(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('cost_30_days'), '/', models.F('cost_30_days_before')), '-', models.Value(Decimal('1'))), 6)), default=models.Value(Decimal('-2')), output_field=orgs.models.fields.ExactDecimalField()), output_field=orgs.models.fields.ExactDecimalField())),
                ],
                options={
                    'indexes': [models.Index(fields=['white_label', 'cost_30_days', 'organization'], name='ranking_by_cost'), models.Index(fields=['currency', 'cost_30_days', 'organization'], name='ranking_by_cost_all'), models.Index(fields=['white_label', 'growth', 'organization'], name='ranking_by_growth'), models.Index(fields=['growth', 'organization'], name='ranking_by_growth_all')],
                },
            ),
            migrations.CreateModel(
                name='PendingFleetUsage',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                    ('benchmark_cost', orgs.models.fields.ExactDecimalField()),
                    ('unpriced_quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('white_label_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                ],
                options={
                    'abstract': False,
                },
            ),
            migrations.CreateModel(
                name='PeriodRerating',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'period', 'correction_id', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('correction_id', models.UUIDField()),
                    ('price_version', models.PositiveIntegerField()),
                    ('old_cost', orgs.models.fields.ExactDecimalField()),
                    ('new_cost', orgs.models.fields.ExactDecimalField()),
                ],
            ),
            migrations.CreateModel(
                name='PriceBook',
                fields=[
                    ('white_label', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='orgs.whitelabel')),
                    ('version', models.PositiveIntegerField(default=0)),
                ],
            ),
            migrations.CreateModel(
                name='Rate',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('white_label', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.whitelabel')),
                    ('organization', models.ForeignKey(blank=True, help_text='Leave empty for all organizations of the white label.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                    ('product', models.CharField(max_length=200)),
                    ('meter', models.CharField(max_length=64)),
                    ('effective_from', models.DateTimeField(blank=True, help_text='Leave empty if the rate has always applied.', null=True)),
                    ('unit_price', models.DecimalField(decimal_places=24, max_digits=36, null=True)),
                    ('benchmark_unit_price', models.DecimalField(decimal_places=24, default=0, help_text='The price of the same unit elsewhere; savings are the difference.', max_digits=36)),
                    ('unit', models.CharField(max_length=40)),
                    ('base_price', orgs.models.fields.ExactDecimalField(editable=False, null=True)),
                    ('base_benchmark_price', orgs.models.fields.ExactDecimalField(editable=False)),
                    ('added_in', models.PositiveIntegerField(editable=False)),
                    ('removed_in', models.PositiveIntegerField(blank=True, editable=False, null=True)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ],
                options={
                    'constraints': [models.UniqueConstraint(condition=models.Q(('removed_in', None)), fields=('white_label', 'product', 'meter', 'organization', 'effective_from'), name='rate_unique', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('unit_price__gte', 0)), name='rate_unit_price_ge_0'), models.CheckConstraint(condition=models.Q(('benchmark_unit_price__gte', 0)), name='rate_benchmark_unit_price_ge_0'), models.CheckConstraint(condition=models.Q(('base_price__gte', 0)), name='rate_base_price_ge_0'), models.CheckConstraint(condition=models.Q(('base_benchmark_price__gte', 0)), name='rate_base_benchmark_price_ge_0'), models.CheckConstraint(condition=models.Q(('product', ''), _negated=True), name='rate_product_given'), models.CheckConstraint(condition=models.Q(('meter', ''), _negated=True), name='rate_meter_given'), models.CheckConstraint(condition=models.Q(('unit', ''), _negated=True), name='rate_unit_given'), models.CheckConstraint(condition=models.Q(('effective_from__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('effective_from__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='rate_effective_from_in_range'), models.CheckConstraint(condition=models.Q(models.Q(('base_price__isnull', False), ('unit_price__isnull', False)), models.Q(('base_benchmark_price', 0), ('base_price', None), ('unit_price', None)), _connector='OR'), name='rate_end_without_price'), models.CheckConstraint(condition=models.Q(('removed_in', None), ('removed_in__gt', models.F('added_in')), _connector='OR'), name='rate_removed_after_added')],
                },
            ),
            migrations.CreateModel(
                name='RateEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='metrics.rate')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('white_label', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.whitelabel')),
                    ('organization', models.ForeignKey(blank=True, db_constraint=False, help_text='Leave empty for all organizations of the white label.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('product', models.CharField(max_length=200)),
                    ('meter', models.CharField(max_length=64)),
                    ('effective_from', models.DateTimeField(blank=True, help_text='Leave empty if the rate has always applied.', null=True)),
                    ('unit_price', models.DecimalField(decimal_places=24, max_digits=36, null=True)),
                    ('benchmark_unit_price', models.DecimalField(decimal_places=24, default=0, help_text='The price of the same unit elsewhere; savings are the difference.', max_digits=36)),
                    ('unit', models.CharField(max_length=40)),
                    ('base_price', orgs.models.fields.ExactDecimalField(editable=False, null=True)),
                    ('base_benchmark_price', orgs.models.fields.ExactDecimalField(editable=False)),
                    ('added_in', models.PositiveIntegerField(editable=False)),
                    ('removed_in', models.PositiveIntegerField(blank=True, editable=False, null=True)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='rate_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='CarriedUsage',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'period', 'product', 'meter', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('period__gte', 1)), name='carried_usage_period')],
                },
            ),
            migrations.CreateModel(
                name='LatePricing',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'period', 'product', 'meter', 'price_version', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('period', models.IntegerField()),
                    ('product', models.TextField()),
                    ('meter', models.TextField()),
                    ('price_version', models.PositiveIntegerField()),
                    ('correction_id', models.UUIDField()),
                ],
            ),
            migrations.CreateModel(
                name='StorageDay',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('revision', models.PositiveIntegerField()),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('quantity__gte', 0), ('revision__gte', 1)), name='storage_day_in_range')],
                },
            ),
            migrations.CreateModel(
                name='StorageRefund',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'day', 'period', 'correction_id', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('day', models.DateField()),
                    ('period', models.IntegerField()),
                    ('correction_id', models.UUIDField()),
                    ('quantity', models.DecimalField(decimal_places=0, max_digits=32)),
                    ('cost', orgs.models.fields.ExactDecimalField()),
                ],
            ),
            migrations.CreateModel(
                name='UsageReport',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                    ('job', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.job')),
                    ('starts_at', models.DateTimeField()),
                    ('ends_at', models.DateTimeField()),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('created_by', models.CharField(blank=True, max_length=200)),
                    ('content', models.TextField(null=True)),
                ],
                options={
                    'indexes': [models.Index(fields=['organization', '-id'], name='usage_report_by_org')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('starts_at__lte', models.F('ends_at'))), name='usage_report_range'), models.CheckConstraint(condition=models.Q(('starts_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('starts_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='usage_report_starts_at_in_range'), models.CheckConstraint(condition=models.Q(('ends_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('ends_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='usage_report_ends_at_in_range'), models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='usage_report_created_at_in_range')],
                },
            ),
            migrations.CreateModel(
                name='UsageVoid',
                fields=[
                    ('pk', models.CompositePrimaryKey('organization_id', 'event_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('organization_id', models.BigIntegerField()),
                    ('event_id', models.TextField()),
                    ('at', models.DateTimeField()),
                    ('period', models.IntegerField()),
                    ('open_period', models.IntegerField()),
                    ('is_credited', models.BooleanField(default=False)),
                    ('correction_id', models.UUIDField()),
                    ('voided_at', models.DateTimeField(default=django.utils.timezone.now)),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('open_period__gte', models.F('period')), ('period__gte', 1)), name='void_period')],
                },
            ),
            migrations.CreateModel(
                name='Push',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('state', models.CharField(choices=[('pending', 'Pending'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('canceled', 'Canceled')], default='pending', max_length=8)),
                    ('attempts', models.PositiveSmallIntegerField(default=0)),
                    ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('sweep_after', models.DateTimeField(null=True)),
                    ('lease', models.UUIDField(null=True)),
                    ('leased_until', models.DateTimeField(null=True)),
                    ('started_at', models.DateTimeField(null=True)),
                    ('finished_at', models.DateTimeField(null=True)),
                    ('error_code', models.CharField(blank=True, max_length=64)),
                    ('error', models.TextField(blank=True)),
                    ('cursor', models.JSONField(default=dict)),
                    ('changed_at', models.DateTimeField(null=True)),
                    ('tried_at', models.DateTimeField(null=True)),
                    ('pushed_at', models.DateTimeField(null=True)),
                    ('status', models.PositiveSmallIntegerField(null=True)),
                    ('answer', models.TextField(blank=True)),
                    ('seconds', models.FloatField(default=0)),
                    ('items', models.PositiveIntegerField(default=0)),
                    ('items_total', models.PositiveBigIntegerField(default=0)),
                    ('left_out', models.PositiveIntegerField(default=0)),
                    ('refused', models.PositiveBigIntegerField(default=0)),
                    ('failures', models.PositiveIntegerField(default=0)),
                    ('failing_since', models.DateTimeField(null=True)),
                    ('integration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='push', to='metrics.integration')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                    ('white_label', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.whitelabel')),
                ],
                options={
                    'verbose_name_plural': 'pushes',
                    'indexes': [models.Index(condition=models.Q(('state__in', ('pending', 'running'))), fields=['next_attempt_at'], name='push_unfinished'), models.Index(condition=models.Q(('failures__gte', 3)), fields=['white_label', 'failing_since'], name='push_failing')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'running', 'done', 'failed', 'canceled'])), name='push_state'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('pending', 'running'))), models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed', 'canceled'))), _connector='OR'), name='push_finished_ended'), models.CheckConstraint(condition=models.Q(('lease', None), models.Q(('leased_until__isnull', False), ('state', 'running')), _connector='OR'), name='push_lease_running'), models.CheckConstraint(condition=models.Q(('changed_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('changed_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='push_changed_at_in_range'), models.CheckConstraint(condition=models.Q(('tried_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('tried_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='push_tried_at_in_range'), models.CheckConstraint(condition=models.Q(('pushed_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('pushed_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='push_pushed_at_in_range'), models.CheckConstraint(condition=models.Q(('failing_since__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('failing_since__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='push_failing_since_in_range'), models.CheckConstraint(condition=models.Q(models.Q(('failing_since', None), ('failures', 0)), models.Q(('failing_since__isnull', False), ('failures__gt', 0)), _connector='OR'), name='push_failing_since')],
                },
            ),
            migrations.CreateModel(
                name='PushBackfill',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('state', models.CharField(choices=[('pending', 'Pending'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('canceled', 'Canceled')], default='pending', max_length=8)),
                    ('attempts', models.PositiveSmallIntegerField(default=0)),
                    ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('sweep_after', models.DateTimeField(null=True)),
                    ('lease', models.UUIDField(null=True)),
                    ('leased_until', models.DateTimeField(null=True)),
                    ('started_at', models.DateTimeField(null=True)),
                    ('finished_at', models.DateTimeField(null=True)),
                    ('error_code', models.CharField(blank=True, max_length=64)),
                    ('error', models.TextField(blank=True)),
                    ('first_day', models.DateField()),
                    ('last_day', models.DateField()),
                    ('next_day', models.DateField()),
                    ('samples', models.PositiveBigIntegerField(default=0)),
                    ('requested_by', models.CharField(max_length=200)),
                    ('note', models.CharField(blank=True, max_length=2000)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('integration', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backfills', to='metrics.integration')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                ],
                options={
                    'indexes': [models.Index(condition=models.Q(('state__in', ('pending', 'running'))), fields=['next_attempt_at'], name='push_backfill_unfinished')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'running', 'done', 'failed', 'canceled'])), name='push_backfill_state'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('pending', 'running'))), models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed', 'canceled'))), _connector='OR'), name='push_backfill_finished_ended'), models.CheckConstraint(condition=models.Q(('lease', None), models.Q(('leased_until__isnull', False), ('state', 'running')), _connector='OR'), name='push_backfill_lease_running'), models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='push_backfill_created_at_in_range'), models.CheckConstraint(condition=models.Q(('first_day__lte', models.F('last_day'))), name='push_backfill_days_in_order'), models.UniqueConstraint(condition=models.Q(('state__in', ('pending', 'running'))), fields=('integration',), name='push_backfill_one_unfinished')],
                },
            ),
            migrations.CreateModel(
                name='RerateRun',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('state', models.CharField(choices=[('pending', 'Pending'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('canceled', 'Canceled')], default='pending', max_length=8)),
                    ('attempts', models.PositiveSmallIntegerField(default=0)),
                    ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('sweep_after', models.DateTimeField(null=True)),
                    ('lease', models.UUIDField(null=True)),
                    ('leased_until', models.DateTimeField(null=True)),
                    ('started_at', models.DateTimeField(null=True)),
                    ('finished_at', models.DateTimeField(null=True)),
                    ('error_code', models.CharField(blank=True, max_length=64)),
                    ('error', models.TextField(blank=True)),
                    ('product', models.CharField(blank=True, max_length=200)),
                    ('meter', models.CharField(blank=True, max_length=64)),
                    ('since', models.DateField(null=True)),
                    ('price_version', models.PositiveIntegerField()),
                    ('requested_by', models.CharField(max_length=200)),
                    ('note', models.TextField(blank=True)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('correction_id', models.UUIDField(default=uuid.uuid4)),
                    ('total', models.PositiveIntegerField(default=0)),
                    ('done', models.PositiveIntegerField(default=0)),
                    ('last_id', models.BigIntegerField(default=0)),
                    ('organizations', models.PositiveIntegerField(default=0)),
                    ('old_cost', orgs.models.fields.ExactDecimalField(default=0)),
                    ('new_cost', orgs.models.fields.ExactDecimalField(default=0)),
                    ('first_day', models.DateField(null=True)),
                    ('last_day', models.DateField(null=True)),
                    ('without_events', models.PositiveIntegerField(default=0)),
                    ('closed_periods', models.PositiveIntegerField(default=0)),
                    ('closed_cost', orgs.models.fields.ExactDecimalField(default=0)),
                    ('largest', models.JSONField(default=list)),
                    ('preview', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='applied', to='metrics.reraterun')),
                    ('white_label', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.whitelabel')),
                ],
                options={
                    'indexes': [models.Index(fields=['white_label', '-id'], name='rerate_run_newest'), models.Index(condition=models.Q(('state__in', ('pending', 'running'))), fields=['next_attempt_at'], name='rerate_run_unfinished'), models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='rerate_run_failed')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'running', 'done', 'failed', 'canceled'])), name='rerate_run_state'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('pending', 'running'))), models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed', 'canceled'))), _connector='OR'), name='rerate_run_finished_ended'), models.CheckConstraint(condition=models.Q(('lease', None), models.Q(('leased_until__isnull', False), ('state', 'running')), _connector='OR'), name='rerate_run_lease_running'), models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='rerate_run_created_at_in_range'), models.CheckConstraint(condition=models.Q(('requested_by', ''), _negated=True), name='rerate_run_requested_by_given'), models.CheckConstraint(condition=models.Q(('last_day__isnull', True), ('last_day__gte', models.F('first_day')), _connector='OR'), name='rerate_run_last_day_after_first_day'), models.CheckConstraint(condition=models.Q(('preview', None), models.Q(('note', ''), _negated=True), _connector='OR'), name='rerate_run_has_reason'), models.UniqueConstraint(condition=models.Q(('state__in', ('pending', 'running'))), fields=('white_label',), name='rerate_run_one_unfinished')],
                },
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='integration',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "metrics_integrationevent" ("endpoint", "id", "instance_id", "kind", "organization_id", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "set_at") VALUES (NEW."endpoint", NEW."id", NEW."instance_id", NEW."kind", NEW."organization_id", NEW."paused_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."set_at"); RETURN NULL;', hash='64178039197552dfa94800918e819c3bfeba5d4f', operation='INSERT', pgid='pgtrigger_insert_insert_e2019', table='metrics_integration', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='integration',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."endpoint" IS DISTINCT FROM (NEW."endpoint") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."instance_id" IS DISTINCT FROM (NEW."instance_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."set_at" IS DISTINCT FROM (NEW."set_at"))', func='INSERT INTO "metrics_integrationevent" ("endpoint", "id", "instance_id", "kind", "organization_id", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "set_at") VALUES (NEW."endpoint", NEW."id", NEW."instance_id", NEW."kind", NEW."organization_id", NEW."paused_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."set_at"); RETURN NULL;', hash='3d74539b9da28069501e8296d2607ba29257f353', operation='UPDATE', pgid='pgtrigger_update_update_5d987', table='metrics_integration', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='integration',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "metrics_integrationevent" ("endpoint", "id", "instance_id", "kind", "organization_id", "paused_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "set_at") VALUES (OLD."endpoint", OLD."id", OLD."instance_id", OLD."kind", OLD."organization_id", OLD."paused_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."set_at"); RETURN NULL;', hash='b4563b9a8b12b3240d8a9067bfdf5edc04b70dc7', operation='DELETE', pgid='pgtrigger_delete_delete_4091f', table='metrics_integration', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='rate',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "metrics_rateevent" ("added_in", "base_benchmark_price", "base_price", "benchmark_unit_price", "created_at", "effective_from", "id", "meter", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "removed_in", "unit", "unit_price", "white_label_id") VALUES (NEW."added_in", NEW."base_benchmark_price", NEW."base_price", NEW."benchmark_unit_price", NEW."created_at", NEW."effective_from", NEW."id", NEW."meter", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product", NEW."removed_in", NEW."unit", NEW."unit_price", NEW."white_label_id"); RETURN NULL;', hash='c1d8b79f6119bde782ddcb3e6af573a50892c0b8', operation='INSERT', pgid='pgtrigger_insert_insert_bac5b', table='metrics_rate', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='rate',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "metrics_rateevent" ("added_in", "base_benchmark_price", "base_price", "benchmark_unit_price", "created_at", "effective_from", "id", "meter", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "removed_in", "unit", "unit_price", "white_label_id") VALUES (NEW."added_in", NEW."base_benchmark_price", NEW."base_price", NEW."benchmark_unit_price", NEW."created_at", NEW."effective_from", NEW."id", NEW."meter", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product", NEW."removed_in", NEW."unit", NEW."unit_price", NEW."white_label_id"); RETURN NULL;', hash='af11a935c0f7dc2d4782d10edbf003bf50f3a181', operation='UPDATE', pgid='pgtrigger_update_update_401b3', table='metrics_rate', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='rate',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "metrics_rateevent" ("added_in", "base_benchmark_price", "base_price", "benchmark_unit_price", "created_at", "effective_from", "id", "meter", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "removed_in", "unit", "unit_price", "white_label_id") VALUES (OLD."added_in", OLD."base_benchmark_price", OLD."base_price", OLD."benchmark_unit_price", OLD."created_at", OLD."effective_from", OLD."id", OLD."meter", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."product", OLD."removed_in", OLD."unit", OLD."unit_price", OLD."white_label_id"); RETURN NULL;', hash='b7467e9d170744928d582f63f9dc4fd8e1107e54', operation='DELETE', pgid='pgtrigger_delete_delete_2b361', table='metrics_rate', when='AFTER')),
            ),
        ]),
        migrations.RunSQL(CREATE_USAGE_EVENTS, reverse_sql="drop table metrics_usageevent"),
        migrations.RunSQL(_partitions.FUNCTIONS, _partitions.DROP_FUNCTIONS),
        migrations.RunSQL(CREATE_PENDING_USAGE, reverse_sql="drop table metrics_pendingusage"),
        migrations.RunSQL(CREATE_USAGE_VIEW, reverse_sql="drop view metrics_usage"),
        # No reverse: the parameters go with the tables.
        migrations.RunSQL(SET_PENDING_AUTOVACUUM, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(SET_FILLFACTORS, reverse_sql=migrations.RunSQL.noop),
    ]
