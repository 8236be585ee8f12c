"""What needs somebody is found in one white label, however large the others are."""

from django.contrib.postgres.operations import (
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # the tables stay writable meanwhile

    dependencies = [
        ('billing', '0003_what_needs_somebody'),
    ]

    operations = [
        RemoveIndexConcurrently(
            model_name='subscription',
            name='subscription_by_trial_end',
        ),
        AddIndexConcurrently(
            model_name='invoice',
            index=models.Index(condition=models.Q(('status', 'open')), fields=['white_label', 'due_at'], name='invoice_open_by_due'),
        ),
        AddIndexConcurrently(
            model_name='subscription',
            index=models.Index(condition=models.Q(('status__in', ('incomplete', 'trialing', 'past_due', 'unpaid', 'paused', 'canceled'))), fields=['white_label', 'status', 'trial_ends_at'], name='subscription_watched'),
        ),
    ]
