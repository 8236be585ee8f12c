"""Changes of usage are numbered no more: nobody asked for the number, and making it and
checking that it is unique was a quarter of appending them.
"""

from django.db import migrations, models

FORWARD = """
alter table metrics_usagechange drop column id;
create index usage_change_organization on metrics_usagechange (organization_id)
"""

BACK = """
drop index usage_change_organization;
alter table metrics_usagechange
    add column id bigint not null generated always as identity,
    add primary key (organization_id, id)
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
        ('metrics', '0008_no_index_of_ages'),
    ]

    operations = [
        migrations.RunSQL(FORWARD, reverse_sql=BACK),
        migrations.DeleteModel(name='UsageChange'),
        migrations.CreateModel(
            name='UsageChange',
            fields=[
                ('pk', models.CompositePrimaryKey('organization_id', 'day', 'product', 'meter', 'project_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                *KEY,
            ],
            options={'db_table': 'metrics_usagechange', 'managed': False},
        ),
    ]
