"""Jobs that failed for good are found without those that did not."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # the table stays writable meanwhile

    dependencies = [
        ('orgs', '0003_since_and_versions'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='job',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='job_failed'),
        ),
    ]
