"""The list's tab of deleted organizations reads these few, not past all the others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    atomic = False  # the table stays writable meanwhile

    dependencies = [
        ('orgs', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='organization',
            index=models.Index(
                fields=['white_label', 'id'],
                condition=Q(('deleted_at__isnull', False)),
                name='organization_deleted',
            ),
        ),
    ]
