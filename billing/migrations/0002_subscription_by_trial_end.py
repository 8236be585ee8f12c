"""Trials that end, or ended, are looked for by their end whenever the fleet is shown."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    atomic = False  # the table stays writable meanwhile

    dependencies = [
        ('billing', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='subscription',
            index=models.Index(
                fields=['status', 'trial_ends_at'],
                condition=Q(('trial_ends_at__isnull', False)),
                name='subscription_by_trial_end',
            ),
        ),
    ]
