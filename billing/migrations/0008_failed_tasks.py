"""What failed for good is found without what did not."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # the tables stay writable meanwhile

    dependencies = [
        ('billing', '0007_alerts'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='charge',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='charge_failed'),
        ),
        AddIndexConcurrently(
            model_name='stripeaction',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='stripe_action_failed'),
        ),
    ]
