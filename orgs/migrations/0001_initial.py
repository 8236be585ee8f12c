"""All tables of the app, with the history that triggers write.

White labels and users refer to each other: foreign keys come after all tables.
"""


import orgs.models.notes
import datetime
import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.operations
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import orgs.models.fields
import orgs.models.search
import orgs.models.white_labels
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

from orgs.migrations import _evidence, _guards
from orgs.migrations._at_once import AtOnce

# NFKD splits letters from their accents, ligatures into letters, and full-width forms
# from their width; then accents and invisible characters are removed. The letters at
# the end are those that Unicode does not decompose. Every function is immutable, so
# that the planner evaluates the key of a constant once and can use a trigram index.
SEARCH_KEY_FUNCTIONS = r"""
create function orgs_search_key(text) returns text
language sql immutable strict parallel safe as $$
select replace(replace(replace(replace(replace(replace(replace(replace(
    translate(
        lower(regexp_replace(
            normalize($1, NFKD),
            '[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]', '', 'g')),
        'ıøØđĐłŁħĦŧŦðÐς', 'iooddllhhttddσ'),
    'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae'), 'œ', 'oe'), 'Œ', 'oe'),
    'þ', 'th'), 'Þ', 'th')
$$;
create function orgs_search_pattern(text) returns text
language sql immutable strict parallel safe as $$
select '%' || replace(replace(replace(
    orgs_search_key($1), '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
-- The words of a text that can be misspelled: letters only, of three or more.
create function orgs_search_words(text) returns setof text
language sql immutable strict parallel safe as $$
select distinct word
from regexp_split_to_table(orgs_search_key($1), '[^[:alpha:]]+') word
where length(word) between 3 and 40
$$;
"""
DROP_SEARCH_KEY_FUNCTIONS = """
drop function orgs_search_words(text);
drop function orgs_search_pattern(text);
drop function orgs_search_key(text);
"""
# Changes by a person or an API key, which are a few of all changes.
HISTORY_ACTORS = """
create index history_by_username on pghistory_context
    (lower(metadata ->> 'username'));
create index history_by_api_key on pghistory_context ((metadata ->> 'api_key'));
"""
DROP_HISTORY_ACTORS = """
drop index history_by_api_key;
drop index history_by_username;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        # Search by any part of a name, and periods that must not overlap.
        django.contrib.postgres.operations.TrigramExtension(),
        django.contrib.postgres.operations.BtreeGistExtension(),
        migrations.RunSQL(
            SEARCH_KEY_FUNCTIONS,
            DROP_SEARCH_KEY_FUNCTIONS,
        ),
        migrations.RunSQL(HISTORY_ACTORS, DROP_HISTORY_ACTORS),
        AtOnce([
            migrations.CreateModel(
                name='Organization',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('white_label', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='organizations', to='orgs.whitelabel')),
                    ('external_id', orgs.models.fields.NormalizedCharField(help_text='Your ID of the organization; unique in its white label.', max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('name', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('billing_email', models.EmailField(blank=True, max_length=254)),
                    ('contract_started_on', models.DateField(blank=True, help_text='Contract totals count from this day; if empty, from the creation.', null=True)),
                    ('rate_limit', models.PositiveIntegerField(blank=True, help_text="API requests per minute; leave empty for the white label's default.", null=True)),
                    ('is_active', models.BooleanField(default=True)),
                    ('inactive_since', models.DateTimeField(editable=False, null=True)),
                    ('is_billable', models.BooleanField(default=True)),
                    ('is_personal', models.BooleanField(default=False)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('updated_at', models.DateTimeField(auto_now=True)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                    ('created_by', models.CharField(blank=True, editable=False, max_length=200)),
                    ('domain', models.CharField(blank=True, max_length=253)),
                    ('logo_url', models.URLField(blank=True, max_length=500)),
                    ('header_image_url', models.URLField(blank=True, max_length=500)),
                    ('readme', models.TextField(blank=True, max_length=100000)),
                    ('experiments', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=100)),
                    ('hubspot_id', models.CharField(blank=True, max_length=64)),
                    ('address_line_1', models.CharField(blank=True, max_length=200)),
                    ('address_line_2', models.CharField(blank=True, max_length=200)),
                    ('address_zip', models.CharField(blank=True, max_length=20)),
                    ('address_city', models.CharField(blank=True, max_length=100)),
                    ('address_state', models.CharField(blank=True, max_length=100)),
                    ('address_country', models.CharField(blank=True, max_length=100)),
                    ('name_key', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Lower('name'), output_field=models.CharField(max_length=200))),
                    ('search_text', models.GeneratedField(db_persist=True, expression=orgs.models.search.SearchKey(django.db.models.functions.text.Trim(django.db.models.functions.text.Concat(models.F('name'), models.Value(' '), models.F('external_id'), models.Value(' '), models.F('billing_email'), models.Value(' '), models.F('domain'), output_field=models.TextField()))), output_field=models.TextField())),
                ],
                options={
                    'indexes': [models.Index(fields=['white_label', 'name_key', 'id'], name='organization_by_name'), models.Index(fields=['white_label', 'created_at', 'id'], name='organization_by_created'), models.Index(fields=['name_key', 'id'], name='organization_by_name_all'), models.Index(fields=['created_at', 'id'], name='organization_by_created_all'), models.Index(condition=models.Q(('deleted_at__isnull', False)), fields=['white_label', 'id'], name='organization_deleted'), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('search_text'), name='gin_trgm_ops'), name='organization_search'), models.Index(condition=models.Q(('deleted_at', None), ('is_active', False)), fields=['white_label', 'inactive_since'], name='organization_inactive')],
                    'constraints': [models.UniqueConstraint(fields=('white_label', 'external_id'), name='organization_external_id_unique'), models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='organization_created_at_in_range'), models.CheckConstraint(condition=models.Q(('updated_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('updated_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='organization_updated_at_in_range'), models.CheckConstraint(condition=models.Q(('deleted_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('deleted_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='organization_deleted_at_in_range'), models.CheckConstraint(condition=models.Q(('external_id', ''), _negated=True), name='organization_external_id_given'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='organization_name_given'), models.CheckConstraint(condition=models.Q(('deleted_at__isnull', True), ('deleted_at__gte', models.F('created_at')), _connector='OR'), name='organization_deleted_at_after_created_at'), models.CheckConstraint(condition=models.Q(('contract_started_on__gte', datetime.date(2000, 1, 1)), ('contract_started_on__lt', datetime.date(2200, 1, 1))), name='organization_contract_started_on_in_range'), models.CheckConstraint(condition=models.Q(('rate_limit__gte', 1)), name='organization_rate_limit_ge_1')],
                },
            ),
            migrations.CreateModel(
                name='User',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('password', models.CharField(max_length=128, verbose_name='password')),
                    ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                    ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                    ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                    ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                    ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                    ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                    ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                    ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                    ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                    ('white_label', models.ForeignKey(blank=True, help_text='Limits access to one white label; leave empty for access to all.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='users', to='orgs.whitelabel')),
                    ('login_version', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Counts up to end all sessions and login tokens.')),
                    ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                    ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
                ],
                options={
                    'verbose_name': 'user',
                    'verbose_name_plural': 'users',
                    'abstract': False,
                },
                managers=[
                    ('objects', django.contrib.auth.models.UserManager()),
                ],
            ),
            migrations.CreateModel(
                name='Session',
                fields=[
                    ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                    ('session_data', models.TextField(verbose_name='session data')),
                    ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                    ('began_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('last_seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('address', models.CharField(blank=True, max_length=45)),
                    ('user_agent', models.CharField(blank=True, max_length=300)),
                    ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
                ],
                options={
                    'indexes': [models.Index(fields=['user', '-last_seen_at'], name='session_by_user')],
                },
            ),
            migrations.CreateModel(
                name='ApiKey',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('white_label', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='orgs.whitelabel')),
                    ('organization', models.ForeignKey(blank=True, help_text='Leave empty for a key of the whole white label.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='orgs.organization')),
                    ('name', models.CharField(max_length=200)),
                    ('start', models.CharField(editable=False, help_text='The first characters of the key.', max_length=16)),
                    ('key_hash', models.BinaryField(max_length=32, unique=True)),
                    ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('usage:write', 'usage:write'), ('organizations:read', 'organizations:read'), ('organizations:write', 'organizations:write'), ('billing:read', 'billing:read'), ('billing:write', 'billing:write'), ('integrations:write', 'integrations:write')], max_length=32), size=None)),
                    ('address_ranges', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Networks in CIDR notation that the key may be used from; leave empty for any address.', size=None)),
                    ('replaces', models.OneToOneField(blank=True, editable=False, help_text='The key that was rotated into this one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='orgs.apikey')),
                    ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ('expires_at', models.DateTimeField(blank=True, null=True)),
                    ('revoked_at', models.DateTimeField(blank=True, null=True)),
                    ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                    ('last_used_address', models.GenericIPAddressField(blank=True, editable=False, null=True)),
                ],
                options={
                    'verbose_name': 'API key',
                    'indexes': [models.Index(fields=['start'], name='api_key_by_start', opclasses=['varchar_pattern_ops'])],
                    'constraints': [models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='api_key_created_at_in_range'), models.CheckConstraint(condition=models.Q(('expires_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('expires_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='api_key_expires_at_in_range'), models.CheckConstraint(condition=models.Q(('revoked_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('revoked_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='api_key_revoked_at_in_range'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='api_key_name_given'), models.CheckConstraint(condition=models.Q(('revoked_at__isnull', True), ('revoked_at__gte', models.F('created_at')), _connector='OR'), name='api_key_revoked_at_after_created_at'), models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['usage:write', 'organizations:read', 'organizations:write', 'billing:read', 'billing:write', 'integrations:write']), ('scopes__len__gte', 1)), name='api_key_scopes_known')],
                },
            ),
            migrations.CreateModel(
                name='ApiKeyAddress',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('api_key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='addresses', to='orgs.apikey')),
                    ('address', models.CharField(max_length=50)),
                    ('first_used_at', models.DateTimeField(default=django.utils.timezone.now)),
                ],
                options={
                    'verbose_name': 'address of an API key',
                    'verbose_name_plural': 'addresses of API keys',
                    'constraints': [models.UniqueConstraint(fields=('api_key', 'address'), name='api_key_address_unique'), models.CheckConstraint(condition=models.Q(('first_used_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('first_used_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='api_key_address_first_used_at_in_range'), models.CheckConstraint(condition=models.Q(('address', ''), _negated=True), name='api_key_address_address_given')],
                },
            ),
            migrations.CreateModel(
                name='Entitlements',
                fields=[
                    ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='entitlements', serialize=False, to='orgs.organization')),
                    ('storage_bytes', models.BigIntegerField(blank=True, null=True)),
                    ('compute_seconds_per_year', models.BigIntegerField(blank=True, help_text='CPU and GPU seconds, unweighted; leave empty for no limit.', null=True)),
                    ('gpu_seconds_per_year', models.BigIntegerField(blank=True, null=True)),
                    ('projects', models.PositiveIntegerField(blank=True, null=True)),
                    ('users', models.PositiveIntegerField(blank=True, null=True)),
                    ('storage_bytes_version', models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                    ('compute_seconds_per_year_version', models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                    ('gpu_seconds_per_year_version', models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                    ('projects_version', models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                    ('users_version', models.PositiveIntegerField(db_default=1, default=1, editable=False)),
                ],
                options={
                    'verbose_name_plural': 'entitlements',
                    'constraints': [models.CheckConstraint(condition=models.Q(('storage_bytes__gte', 0)), name='entitlements_storage_bytes_ge_0'), models.CheckConstraint(condition=models.Q(('compute_seconds_per_year__gte', 0)), name='entitlements_compute_seconds_per_year_ge_0'), models.CheckConstraint(condition=models.Q(('gpu_seconds_per_year__gte', 0)), name='entitlements_gpu_seconds_per_year_ge_0'), models.CheckConstraint(condition=models.Q(('projects__gte', 0)), name='entitlements_projects_ge_0'), models.CheckConstraint(condition=models.Q(('users__gte', 0)), name='entitlements_users_ge_0')],
                },
            ),
            migrations.CreateModel(
                name='Job',
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
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='jobs', to='orgs.organization')),
                    ('kind', models.CharField(choices=[('delete_organization', 'Delete Organization'), ('usage_report', 'Usage Report')], max_length=32)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('created_by', models.CharField(blank=True, max_length=200)),
                ],
                options={
                    'indexes': [models.Index(fields=['organization', '-id'], name='job_by_organization'), models.Index(condition=models.Q(('state__in', ('pending', 'running'))), fields=['next_attempt_at'], name='job_unfinished'), models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='job_failed')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'running', 'done', 'failed', 'canceled'])), name='job_state'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('pending', 'running'))), models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed', 'canceled'))), _connector='OR'), name='job_finished_ended'), models.CheckConstraint(condition=models.Q(('lease', None), models.Q(('leased_until__isnull', False), ('state', 'running')), _connector='OR'), name='job_lease_running'), models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='job_created_at_in_range'), models.CheckConstraint(condition=models.Q(('started_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('started_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='job_started_at_in_range'), models.CheckConstraint(condition=models.Q(('finished_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('finished_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='job_finished_at_in_range')],
                },
            ),
            migrations.CreateModel(
                name='Member',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='orgs.organization')),
                    ('external_id', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('email', models.EmailField(blank=True, max_length=254)),
                    ('name', orgs.models.fields.NormalizedCharField(blank=True, max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('role', models.CharField(choices=[('admin', 'Admin'), ('member', 'Member'), ('guest', 'Guest')], default='member', max_length=6)),
                    ('is_staff', models.BooleanField(default=False)),
                    ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                    ('search_text', models.GeneratedField(db_persist=True, expression=orgs.models.search.SearchKey(django.db.models.functions.text.Trim(django.db.models.functions.text.Concat(models.F('name'), models.Value(' '), models.F('email'), models.Value(' '), models.F('external_id'), output_field=models.TextField()))), output_field=models.TextField())),
                ],
                options={
                    'indexes': [django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('search_text'), name='gin_trgm_ops'), name='member_search')],
                    'constraints': [models.UniqueConstraint(fields=('organization', 'external_id'), name='member_external_id_unique'), models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'member', 'guest'])), name='member_role'), models.CheckConstraint(condition=models.Q(('added_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('added_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='member_added_at_in_range'), models.CheckConstraint(condition=models.Q(('deleted_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('deleted_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='member_deleted_at_in_range'), models.CheckConstraint(condition=models.Q(('external_id', ''), _negated=True), name='member_external_id_given'), models.CheckConstraint(condition=models.Q(('deleted_at__isnull', True), ('deleted_at__gte', models.F('added_at')), _connector='OR'), name='member_deleted_at_after_added_at')],
                },
            ),
            migrations.CreateModel(
                name='MemberEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.member')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('organization', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('external_id', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('email', models.EmailField(blank=True, max_length=254)),
                    ('name', orgs.models.fields.NormalizedCharField(blank=True, max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('role', models.CharField(choices=[('admin', 'Admin'), ('member', 'Member'), ('guest', 'Guest')], default='member', max_length=6)),
                    ('is_staff', models.BooleanField(default=False)),
                    ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='member_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='Project',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='projects', to='orgs.organization')),
                    ('external_id', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('name', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('is_public', models.BooleanField(default=False)),
                    ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                    ('search_text', models.GeneratedField(db_persist=True, expression=orgs.models.search.SearchKey(django.db.models.functions.text.Trim(django.db.models.functions.text.Concat(models.F('name'), models.Value(' '), models.F('external_id'), output_field=models.TextField()))), output_field=models.TextField())),
                ],
                options={
                    'indexes': [django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('search_text'), name='gin_trgm_ops'), name='project_search')],
                    'constraints': [models.UniqueConstraint(fields=('organization', 'external_id'), name='project_external_id_unique'), models.CheckConstraint(condition=models.Q(('added_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('added_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='project_added_at_in_range'), models.CheckConstraint(condition=models.Q(('deleted_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('deleted_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='project_deleted_at_in_range'), models.CheckConstraint(condition=models.Q(('external_id', ''), _negated=True), name='project_external_id_given'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='project_name_given'), models.CheckConstraint(condition=models.Q(('deleted_at__isnull', True), ('deleted_at__gte', models.F('added_at')), _connector='OR'), name='project_deleted_at_after_added_at')],
                },
            ),
            migrations.CreateModel(
                name='ProjectEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.project')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('organization', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('external_id', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('name', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('is_public', models.BooleanField(default=False)),
                    ('added_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='project_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='IdempotencyKey',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('owner', models.CharField(max_length=64)),
                    ('key', models.CharField(max_length=255)),
                    ('request_hash', models.BinaryField(max_length=32)),
                    ('status', models.PositiveSmallIntegerField()),
                    ('body', models.BinaryField()),
                    ('content_type', models.CharField(blank=True, max_length=100)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ],
                options={
                    'indexes': [models.Index(fields=['created_at'], name='idempotency_key_oldest')],
                    'constraints': [models.UniqueConstraint(fields=('owner', 'key'), name='idempotency_key_once'), models.CheckConstraint(condition=models.Q(('status__gte', 200), ('status__lt', 300)), name='idempotency_key_success'), models.CheckConstraint(condition=models.Q(('owner', ''), _negated=True), name='idempotency_key_owner_given'), models.CheckConstraint(condition=models.Q(('key', ''), _negated=True), name='idempotency_key_key_given')],
                },
            ),
            migrations.CreateModel(
                name='SearchWord',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('word', models.CharField(max_length=40)),
                ],
                options={
                    'indexes': [models.Index(fields=['word'], name='search_word', opclasses=['varchar_pattern_ops']), django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('word'), name='gin_trgm_ops'), name='search_word_similar')],
                },
            ),
            migrations.CreateModel(
                name='WhiteLabel',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('slug', models.SlugField(max_length=63, unique=True)),
                    ('name', models.CharField(max_length=200)),
                    ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='owned_white_labels', to='orgs.organization')),
                    ('time_zone', models.CharField(default='UTC', max_length=64, validators=[orgs.models.white_labels.validate_time_zone])),
                    ('gpu_weight', models.PositiveSmallIntegerField(default=3, help_text='CPU seconds that one GPU second counts as in daily metrics.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000)])),
                    ('currency', models.CharField(default='usd', max_length=3, validators=[orgs.models.white_labels.validate_currency])),
                    ('default_rate_limit', models.PositiveIntegerField(default=200, help_text='API requests per minute, for organizations without their own limit.')),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ('bills_usage_monthly', models.BooleanField(db_default=True, default=True, help_text='Bill usage each month beside a plan whose cycle is longer.')),
                    ('default_hard_limit', models.DecimalField(blank=True, decimal_places=12, help_text='Hard spending limit that a new organization gets.', max_digits=24, null=True)),
                    ('default_soft_limit', models.DecimalField(blank=True, decimal_places=12, help_text='Soft spending limit that a new organization gets.', max_digits=24, null=True)),
                    ('accent_color', models.CharField(blank=True, db_default='', default='', help_text='Of buttons and headers in emails to customers and on their page.', max_length=7, validators=[orgs.models.white_labels.validate_accent_color])),
                    ('logo_sha256', models.CharField(blank=True, db_default='', default='', max_length=64)),
                    ('reply_to', models.EmailField(blank=True, db_default='', default='', help_text='Where answers to emails to customers go.', max_length=254)),
                    ('sender_name', models.CharField(blank=True, db_default='', default='', help_text='Shown as the sender of emails to customers.', max_length=100, validators=[orgs.models.fields.validate_text])),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='white_label_created_at_in_range'), models.CheckConstraint(condition=models.Q(('slug', ''), _negated=True), name='white_label_slug_given'), models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='white_label_name_given'), models.CheckConstraint(condition=models.Q(('time_zone', ''), _negated=True), name='white_label_time_zone_given'), models.CheckConstraint(condition=models.Q(('gpu_weight__range', (1, 1000))), name='white_label_gpu_weight_range'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[a-z]{3}$')), name='white_label_currency'), models.CheckConstraint(condition=models.Q(('default_rate_limit__gte', 1)), name='white_label_rate_limit')],
                },
            ),
            migrations.CreateModel(
                name='UserEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to=settings.AUTH_USER_MODEL)),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                    ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                    ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                    ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                    ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                    ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                    ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                    ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                    ('login_version', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Counts up to end all sessions and login tokens.')),
                    ('white_label', models.ForeignKey(blank=True, db_constraint=False, help_text='Limits access to one white label; leave empty for access to all.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.whitelabel')),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='user_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='OrganizationEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.organization')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('white_label', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.whitelabel')),
                    ('external_id', orgs.models.fields.NormalizedCharField(help_text='Your ID of the organization; unique in its white label.', max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('name', orgs.models.fields.NormalizedCharField(max_length=200, validators=[orgs.models.fields.validate_text])),
                    ('billing_email', models.EmailField(blank=True, max_length=254)),
                    ('contract_started_on', models.DateField(blank=True, help_text='Contract totals count from this day; if empty, from the creation.', null=True)),
                    ('rate_limit', models.PositiveIntegerField(blank=True, help_text="API requests per minute; leave empty for the white label's default.", null=True)),
                    ('is_active', models.BooleanField(default=True)),
                    ('is_billable', models.BooleanField(default=True)),
                    ('is_personal', models.BooleanField(default=False)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('updated_at', models.DateTimeField(auto_now=True)),
                    ('deleted_at', models.DateTimeField(blank=True, null=True)),
                    ('created_by', models.CharField(blank=True, editable=False, max_length=200)),
                    ('domain', models.CharField(blank=True, max_length=253)),
                    ('logo_url', models.URLField(blank=True, max_length=500)),
                    ('header_image_url', models.URLField(blank=True, max_length=500)),
                    ('readme', models.TextField(blank=True, max_length=100000)),
                    ('experiments', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), blank=True, default=list, size=100)),
                    ('hubspot_id', models.CharField(blank=True, max_length=64)),
                    ('address_line_1', models.CharField(blank=True, max_length=200)),
                    ('address_line_2', models.CharField(blank=True, max_length=200)),
                    ('address_zip', models.CharField(blank=True, max_length=20)),
                    ('address_city', models.CharField(blank=True, max_length=100)),
                    ('address_state', models.CharField(blank=True, max_length=100)),
                    ('address_country', models.CharField(blank=True, max_length=100)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='organization_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='ApiKeyEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.apikey')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('white_label', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.whitelabel')),
                    ('organization', models.ForeignKey(blank=True, db_constraint=False, help_text='Leave empty for a key of the whole white label.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('name', models.CharField(max_length=200)),
                    ('start', models.CharField(editable=False, help_text='The first characters of the key.', max_length=16)),
                    ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('usage:write', 'usage:write'), ('organizations:read', 'organizations:read'), ('organizations:write', 'organizations:write'), ('billing:read', 'billing:read'), ('billing:write', 'billing:write'), ('integrations:write', 'integrations:write')], max_length=32), size=None)),
                    ('address_ranges', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, help_text='Networks in CIDR notation that the key may be used from; leave empty for any address.', size=None)),
                    ('replaces', models.ForeignKey(blank=True, db_constraint=False, editable=False, help_text='The key that was rotated into this one.', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.apikey')),
                    ('created_by', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ('expires_at', models.DateTimeField(blank=True, null=True)),
                    ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='apikey_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='WhiteLabelEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.whitelabel')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('id', models.BigIntegerField()),
                    ('slug', models.SlugField(db_index=False, max_length=63)),
                    ('name', models.CharField(max_length=200)),
                    ('owner', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                    ('time_zone', models.CharField(default='UTC', max_length=64, validators=[orgs.models.white_labels.validate_time_zone])),
                    ('gpu_weight', models.PositiveSmallIntegerField(default=3, help_text='CPU seconds that one GPU second counts as in daily metrics.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000)])),
                    ('currency', models.CharField(default='usd', max_length=3, validators=[orgs.models.white_labels.validate_currency])),
                    ('default_rate_limit', models.PositiveIntegerField(default=200, help_text='API requests per minute, for organizations without their own limit.')),
                    ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ('bills_usage_monthly', models.BooleanField(db_default=True, default=True, help_text='Bill usage each month beside a plan whose cycle is longer.')),
                    ('default_hard_limit', models.DecimalField(blank=True, decimal_places=12, help_text='Hard spending limit that a new organization gets.', max_digits=24, null=True)),
                    ('default_soft_limit', models.DecimalField(blank=True, decimal_places=12, help_text='Soft spending limit that a new organization gets.', max_digits=24, null=True)),
                    ('accent_color', models.CharField(blank=True, db_default='', default='', help_text='Of buttons and headers in emails to customers and on their page.', max_length=7, validators=[orgs.models.white_labels.validate_accent_color])),
                    ('logo_sha256', models.CharField(blank=True, db_default='', default='', max_length=64)),
                    ('reply_to', models.EmailField(blank=True, db_default='', default='', help_text='Where answers to emails to customers go.', max_length=254)),
                    ('sender_name', models.CharField(blank=True, db_default='', default='', help_text='Shown as the sender of emails to customers.', max_length=100, validators=[orgs.models.fields.validate_text])),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='whitelabel_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='EntitlementsEvent',
                fields=[
                    ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                    ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                    ('pgh_label', models.TextField(help_text='The event label.')),
                    ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.entitlements')),
                    ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                    ('organization', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', serialize=False, to='orgs.organization')),
                    ('storage_bytes', models.BigIntegerField(blank=True, null=True)),
                    ('compute_seconds_per_year', models.BigIntegerField(blank=True, help_text='CPU and GPU seconds, unweighted; leave empty for no limit.', null=True)),
                    ('gpu_seconds_per_year', models.BigIntegerField(blank=True, null=True)),
                    ('projects', models.PositiveIntegerField(blank=True, null=True)),
                    ('users', models.PositiveIntegerField(blank=True, null=True)),
                ],
                options={
                    'abstract': False,
                    'indexes': [models.Index(fields=['-pgh_created_at', '-pgh_id'], name='entitlements_event_newest')],
                },
            ),
            migrations.CreateModel(
                name='SecurityEvent',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('kind', models.CharField(max_length=40)),
                    ('outcome', models.CharField(max_length=8)),
                    ('actor_kind', models.CharField(max_length=10)),
                    ('actor_id', models.BigIntegerField(null=True)),
                    ('actor_name', models.CharField(blank=True, max_length=200)),
                    ('subject_kind', models.CharField(blank=True, max_length=16)),
                    ('subject_id', models.BigIntegerField(null=True)),
                    ('subject_name', models.CharField(blank=True, max_length=200)),
                    ('organization_id', models.BigIntegerField(null=True)),
                    ('white_label_id', models.BigIntegerField(null=True)),
                    ('address', models.GenericIPAddressField(null=True)),
                    ('request_id', models.CharField(blank=True, max_length=64)),
                    ('client_request_id', models.CharField(blank=True, max_length=64)),
                    ('user_agent', models.CharField(blank=True, max_length=300)),
                    ('details', models.JSONField(default=dict)),
                ],
                options={
                    'indexes': [models.Index(fields=['-at', '-id'], name='security_event_newest'), models.Index(fields=['kind', '-at', '-id'], name='security_event_by_kind'), models.Index(fields=['address', '-at', '-id'], name='security_event_by_address'), models.Index(fields=['white_label_id', '-at', '-id'], name='security_event_by_label'), models.Index(fields=['actor_kind', 'actor_id', '-at', '-id'], name='security_event_by_actor'), models.Index(fields=['subject_kind', 'subject_id', '-at', '-id'], name='security_event_by_subject')],
                    'constraints': [models.CheckConstraint(condition=models.Q(('at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='security_event_at_in_range'), models.CheckConstraint(condition=models.Q(('kind', ''), _negated=True), name='security_event_kind_given'), models.CheckConstraint(condition=models.Q(('actor_kind', ''), _negated=True), name='security_event_actor_kind_given'), models.CheckConstraint(condition=models.Q(('outcome__in', ['success', 'failure', 'denied'])), name='security_event_outcome')],
                },
            ),
            migrations.CreateModel(
                name='HistorySeal',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('number', models.PositiveBigIntegerField(unique=True)),
                    ('day', models.DateField()),
                    ('sealed_at', models.DateTimeField(default=django.utils.timezone.now)),
                    ('previous', models.BinaryField(max_length=32, unique=True)),
                    ('digest', models.BinaryField(max_length=32, unique=True)),
                    ('manifest', models.JSONField()),
                ],
                options={
                    'constraints': [models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='history_seal_number'), models.CheckConstraint(condition=models.Q(('sealed_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('sealed_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='history_seal_sealed_at_in_range')],
                },
            ),
            migrations.CreateModel(
                name='SealedRows',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('table', models.CharField(max_length=63)),
                    ('last_id', models.BigIntegerField()),
                    ('hashes', models.BinaryField()),
                    ('seal', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='rows', to='orgs.historyseal')),
                ],
                options={
                    'verbose_name_plural': 'sealed rows',
                    'constraints': [models.UniqueConstraint(fields=('seal', 'table', 'last_id'), name='sealed_rows_once')],
                },
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='entitlements',
                trigger=pgtrigger.compiler.Trigger(name='count_changes', sql=pgtrigger.compiler.UpsertTriggerSql(func='NEW.storage_bytes_version = OLD.storage_bytes_version + (NEW.storage_bytes is distinct from OLD.storage_bytes)::integer;\nNEW.compute_seconds_per_year_version = OLD.compute_seconds_per_year_version + (NEW.compute_seconds_per_year is distinct from OLD.compute_seconds_per_year)::integer;\nNEW.gpu_seconds_per_year_version = OLD.gpu_seconds_per_year_version + (NEW.gpu_seconds_per_year is distinct from OLD.gpu_seconds_per_year)::integer;\nNEW.projects_version = OLD.projects_version + (NEW.projects is distinct from OLD.projects)::integer;\nNEW.users_version = OLD.users_version + (NEW.users is distinct from OLD.users)::integer; RETURN NEW;', hash='c84e5bde810486808d81d75c6658c143f42b0e47', operation='UPDATE', pgid='pgtrigger_count_changes_f1330', table='orgs_entitlements', when='BEFORE')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='entitlements',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_entitlementsevent" ("compute_seconds_per_year", "gpu_seconds_per_year", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "projects", "storage_bytes", "users") VALUES (NEW."compute_seconds_per_year", NEW."gpu_seconds_per_year", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."organization_id", NEW."projects", NEW."storage_bytes", NEW."users"); RETURN NULL;', hash='a9aacd39860eb5ec6b4cdd7a7aa1a3eeab005328', operation='INSERT', pgid='pgtrigger_insert_insert_74b9e', table='orgs_entitlements', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='entitlements',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."compute_seconds_per_year" IS DISTINCT FROM (NEW."compute_seconds_per_year") OR OLD."gpu_seconds_per_year" IS DISTINCT FROM (NEW."gpu_seconds_per_year") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."projects" IS DISTINCT FROM (NEW."projects") OR OLD."storage_bytes" IS DISTINCT FROM (NEW."storage_bytes") OR OLD."users" IS DISTINCT FROM (NEW."users"))', func='INSERT INTO "orgs_entitlementsevent" ("compute_seconds_per_year", "gpu_seconds_per_year", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "projects", "storage_bytes", "users") VALUES (NEW."compute_seconds_per_year", NEW."gpu_seconds_per_year", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."organization_id", NEW."projects", NEW."storage_bytes", NEW."users"); RETURN NULL;', hash='c0a356b4d8d98d2527c3ee541de3bd4b79f76c05', operation='UPDATE', pgid='pgtrigger_update_update_9d762', table='orgs_entitlements', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='entitlements',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_entitlementsevent" ("compute_seconds_per_year", "gpu_seconds_per_year", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "projects", "storage_bytes", "users") VALUES (OLD."compute_seconds_per_year", OLD."gpu_seconds_per_year", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."organization_id", OLD."projects", OLD."storage_bytes", OLD."users"); RETURN NULL;', hash='745b6860e906a3aaef112e9c1525b500620b322f', operation='DELETE', pgid='pgtrigger_delete_delete_83d03', table='orgs_entitlements', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='member',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_memberevent" ("added_at", "deleted_at", "email", "external_id", "id", "is_staff", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role") VALUES (NEW."added_at", NEW."deleted_at", NEW."email", NEW."external_id", NEW."id", NEW."is_staff", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."role"); RETURN NULL;', hash='830ce61cfeb2dd437be181b162b6349c80b10cb7', operation='INSERT', pgid='pgtrigger_insert_insert_4689d', table='orgs_member', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='member',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."added_at" IS DISTINCT FROM (NEW."added_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."external_id" IS DISTINCT FROM (NEW."external_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_staff" IS DISTINCT FROM (NEW."is_staff") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."role" IS DISTINCT FROM (NEW."role"))', func='INSERT INTO "orgs_memberevent" ("added_at", "deleted_at", "email", "external_id", "id", "is_staff", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role") VALUES (NEW."added_at", NEW."deleted_at", NEW."email", NEW."external_id", NEW."id", NEW."is_staff", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."role"); RETURN NULL;', hash='9ef82a38a73f4ffa278797cad8ff9111fb685104', operation='UPDATE', pgid='pgtrigger_update_update_b9fe6', table='orgs_member', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='member',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_memberevent" ("added_at", "deleted_at", "email", "external_id", "id", "is_staff", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role") VALUES (OLD."added_at", OLD."deleted_at", OLD."email", OLD."external_id", OLD."id", OLD."is_staff", OLD."name", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."role"); RETURN NULL;', hash='c3be8e109e14adb7ef135643d75dd44b9dad5318', operation='DELETE', pgid='pgtrigger_delete_delete_be28e', table='orgs_member', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='project',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_projectevent" ("added_at", "deleted_at", "external_id", "id", "is_public", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."added_at", NEW."deleted_at", NEW."external_id", NEW."id", NEW."is_public", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='8d07fa61585bc503b6c4746fedec66360b226f73', operation='INSERT', pgid='pgtrigger_insert_insert_db687', table='orgs_project', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='project',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."added_at" IS DISTINCT FROM (NEW."added_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."external_id" IS DISTINCT FROM (NEW."external_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_public" IS DISTINCT FROM (NEW."is_public") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id"))', func='INSERT INTO "orgs_projectevent" ("added_at", "deleted_at", "external_id", "id", "is_public", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."added_at", NEW."deleted_at", NEW."external_id", NEW."id", NEW."is_public", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='f5e7e9f09b7a27df256e2d6a750b717140a038cf', operation='UPDATE', pgid='pgtrigger_update_update_09058', table='orgs_project', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='project',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_projectevent" ("added_at", "deleted_at", "external_id", "id", "is_public", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."added_at", OLD."deleted_at", OLD."external_id", OLD."id", OLD."is_public", OLD."name", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='366c7a036d8b3cd868daf9e9aa8e927651b376f9', operation='DELETE', pgid='pgtrigger_delete_delete_1a1a8', table='orgs_project', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='whitelabel',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_whitelabelevent" ("accent_color", "bills_usage_monthly", "created_at", "currency", "default_hard_limit", "default_rate_limit", "default_soft_limit", "gpu_weight", "id", "logo_sha256", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reply_to", "sender_name", "slug", "time_zone") VALUES (NEW."accent_color", NEW."bills_usage_monthly", NEW."created_at", NEW."currency", NEW."default_hard_limit", NEW."default_rate_limit", NEW."default_soft_limit", NEW."gpu_weight", NEW."id", NEW."logo_sha256", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reply_to", NEW."sender_name", NEW."slug", NEW."time_zone"); RETURN NULL;', hash='6f8991ea4f502bcc006642107d8a0befb44c8d4f', operation='INSERT', pgid='pgtrigger_insert_insert_e5470', table='orgs_whitelabel', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='whitelabel',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "orgs_whitelabelevent" ("accent_color", "bills_usage_monthly", "created_at", "currency", "default_hard_limit", "default_rate_limit", "default_soft_limit", "gpu_weight", "id", "logo_sha256", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reply_to", "sender_name", "slug", "time_zone") VALUES (NEW."accent_color", NEW."bills_usage_monthly", NEW."created_at", NEW."currency", NEW."default_hard_limit", NEW."default_rate_limit", NEW."default_soft_limit", NEW."gpu_weight", NEW."id", NEW."logo_sha256", NEW."name", NEW."owner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reply_to", NEW."sender_name", NEW."slug", NEW."time_zone"); RETURN NULL;', hash='316a71f69384a4ddd613298fb2c52fc6ae82d4ca', operation='UPDATE', pgid='pgtrigger_update_update_6ad88', table='orgs_whitelabel', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='whitelabel',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_whitelabelevent" ("accent_color", "bills_usage_monthly", "created_at", "currency", "default_hard_limit", "default_rate_limit", "default_soft_limit", "gpu_weight", "id", "logo_sha256", "name", "owner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reply_to", "sender_name", "slug", "time_zone") VALUES (OLD."accent_color", OLD."bills_usage_monthly", OLD."created_at", OLD."currency", OLD."default_hard_limit", OLD."default_rate_limit", OLD."default_soft_limit", OLD."gpu_weight", OLD."id", OLD."logo_sha256", OLD."name", OLD."owner_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."reply_to", OLD."sender_name", OLD."slug", OLD."time_zone"); RETURN NULL;', hash='99867e890cfa1b49f5ae6b4354238b8b526303e6', operation='DELETE', pgid='pgtrigger_delete_delete_7fc9b', table='orgs_whitelabel', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='updated_forwards', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."updated_at" <= (OLD."updated_at"))', func="\n                    NEW.updated_at = OLD.updated_at + interval '1 microsecond';\n                    RETURN NEW;\n                ", hash='c099e11e22848975e405043174fcb3c8e699685c', operation='UPDATE', pgid='pgtrigger_updated_forwards_f6d4f', table='orgs_organization', when='BEFORE')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='added_inactive', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT NEW."is_active")', func='NEW.inactive_since = now(); RETURN NEW;', hash='1facb8126f10850c6055f6c33c182747dee4c30b', operation='INSERT', pgid='pgtrigger_added_inactive_ec6ee', table='orgs_organization', when='BEFORE')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='turned_inactive', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."is_active" IS DISTINCT FROM (NEW."is_active"))', func='\n                    NEW.inactive_since = case when NEW.is_active then null\n                        else now() end;\n                    RETURN NEW;\n                ', hash='c34e2b5881df7a45a0e8382d104ebf206bd9ec8a', operation='UPDATE', pgid='pgtrigger_turned_inactive_08869', table='orgs_organization', when='BEFORE')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_organizationevent" ("address_city", "address_country", "address_line_1", "address_line_2", "address_state", "address_zip", "billing_email", "contract_started_on", "created_at", "created_by", "deleted_at", "domain", "experiments", "external_id", "header_image_url", "hubspot_id", "id", "is_active", "is_billable", "is_personal", "logo_url", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rate_limit", "readme", "updated_at", "white_label_id") VALUES (NEW."address_city", NEW."address_country", NEW."address_line_1", NEW."address_line_2", NEW."address_state", NEW."address_zip", NEW."billing_email", NEW."contract_started_on", NEW."created_at", NEW."created_by", NEW."deleted_at", NEW."domain", NEW."experiments", NEW."external_id", NEW."header_image_url", NEW."hubspot_id", NEW."id", NEW."is_active", NEW."is_billable", NEW."is_personal", NEW."logo_url", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."rate_limit", NEW."readme", NEW."updated_at", NEW."white_label_id"); RETURN NULL;', hash='cd2966c61ada77ebfe214bb3d31047ae34992eea', operation='INSERT', pgid='pgtrigger_insert_insert_13bc9', table='orgs_organization', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."address_city" IS DISTINCT FROM (NEW."address_city") OR OLD."address_country" IS DISTINCT FROM (NEW."address_country") OR OLD."address_line_1" IS DISTINCT FROM (NEW."address_line_1") OR OLD."address_line_2" IS DISTINCT FROM (NEW."address_line_2") OR OLD."address_state" IS DISTINCT FROM (NEW."address_state") OR OLD."address_zip" IS DISTINCT FROM (NEW."address_zip") OR OLD."billing_email" IS DISTINCT FROM (NEW."billing_email") OR OLD."contract_started_on" IS DISTINCT FROM (NEW."contract_started_on") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by" IS DISTINCT FROM (NEW."created_by") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."domain" IS DISTINCT FROM (NEW."domain") OR OLD."experiments" IS DISTINCT FROM (NEW."experiments") OR OLD."external_id" IS DISTINCT FROM (NEW."external_id") OR OLD."header_image_url" IS DISTINCT FROM (NEW."header_image_url") OR OLD."hubspot_id" IS DISTINCT FROM (NEW."hubspot_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_billable" IS DISTINCT FROM (NEW."is_billable") OR OLD."is_personal" IS DISTINCT FROM (NEW."is_personal") OR OLD."logo_url" IS DISTINCT FROM (NEW."logo_url") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."rate_limit" IS DISTINCT FROM (NEW."rate_limit") OR OLD."readme" IS DISTINCT FROM (NEW."readme") OR OLD."white_label_id" IS DISTINCT FROM (NEW."white_label_id"))', func='INSERT INTO "orgs_organizationevent" ("address_city", "address_country", "address_line_1", "address_line_2", "address_state", "address_zip", "billing_email", "contract_started_on", "created_at", "created_by", "deleted_at", "domain", "experiments", "external_id", "header_image_url", "hubspot_id", "id", "is_active", "is_billable", "is_personal", "logo_url", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rate_limit", "readme", "updated_at", "white_label_id") VALUES (NEW."address_city", NEW."address_country", NEW."address_line_1", NEW."address_line_2", NEW."address_state", NEW."address_zip", NEW."billing_email", NEW."contract_started_on", NEW."created_at", NEW."created_by", NEW."deleted_at", NEW."domain", NEW."experiments", NEW."external_id", NEW."header_image_url", NEW."hubspot_id", NEW."id", NEW."is_active", NEW."is_billable", NEW."is_personal", NEW."logo_url", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."rate_limit", NEW."readme", NEW."updated_at", NEW."white_label_id"); RETURN NULL;', hash='efcf990add91f16732613713ad777dcc0eb9080a', operation='UPDATE', pgid='pgtrigger_update_update_63cbd', table='orgs_organization', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_organizationevent" ("address_city", "address_country", "address_line_1", "address_line_2", "address_state", "address_zip", "billing_email", "contract_started_on", "created_at", "created_by", "deleted_at", "domain", "experiments", "external_id", "header_image_url", "hubspot_id", "id", "is_active", "is_billable", "is_personal", "logo_url", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rate_limit", "readme", "updated_at", "white_label_id") VALUES (OLD."address_city", OLD."address_country", OLD."address_line_1", OLD."address_line_2", OLD."address_state", OLD."address_zip", OLD."billing_email", OLD."contract_started_on", OLD."created_at", OLD."created_by", OLD."deleted_at", OLD."domain", OLD."experiments", OLD."external_id", OLD."header_image_url", OLD."hubspot_id", OLD."id", OLD."is_active", OLD."is_billable", OLD."is_personal", OLD."logo_url", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."rate_limit", OLD."readme", OLD."updated_at", OLD."white_label_id"); RETURN NULL;', hash='492b68c0d848436ff5e1ee4ef4bb613f6970c1cd', operation='DELETE', pgid='pgtrigger_delete_delete_b7c72', table='orgs_organization', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='apikey',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_apikeyevent" ("address_ranges", "created_at", "created_by_id", "expires_at", "id", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "replaces_id", "revoked_at", "scopes", "start", "white_label_id") VALUES (NEW."address_ranges", NEW."created_at", NEW."created_by_id", NEW."expires_at", NEW."id", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."replaces_id", NEW."revoked_at", NEW."scopes", NEW."start", NEW."white_label_id"); RETURN NULL;', hash='6d02112f50a9969632a8938c1e9327d72a69dccf', operation='INSERT', pgid='pgtrigger_insert_insert_04c57', table='orgs_apikey', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='apikey',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."address_ranges" IS DISTINCT FROM (NEW."address_ranges") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id") OR OLD."expires_at" IS DISTINCT FROM (NEW."expires_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."replaces_id" IS DISTINCT FROM (NEW."replaces_id") OR OLD."revoked_at" IS DISTINCT FROM (NEW."revoked_at") OR OLD."scopes" IS DISTINCT FROM (NEW."scopes") OR OLD."start" IS DISTINCT FROM (NEW."start") OR OLD."white_label_id" IS DISTINCT FROM (NEW."white_label_id"))', func='INSERT INTO "orgs_apikeyevent" ("address_ranges", "created_at", "created_by_id", "expires_at", "id", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "replaces_id", "revoked_at", "scopes", "start", "white_label_id") VALUES (NEW."address_ranges", NEW."created_at", NEW."created_by_id", NEW."expires_at", NEW."id", NEW."name", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."replaces_id", NEW."revoked_at", NEW."scopes", NEW."start", NEW."white_label_id"); RETURN NULL;', hash='9bd9f1aa7c556e6496ae9046ce396692cb36d2b2', operation='UPDATE', pgid='pgtrigger_update_update_9c3b7', table='orgs_apikey', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='apikey',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_apikeyevent" ("address_ranges", "created_at", "created_by_id", "expires_at", "id", "name", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "replaces_id", "revoked_at", "scopes", "start", "white_label_id") VALUES (OLD."address_ranges", OLD."created_at", OLD."created_by_id", OLD."expires_at", OLD."id", OLD."name", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."replaces_id", OLD."revoked_at", OLD."scopes", OLD."start", OLD."white_label_id"); RETURN NULL;', hash='0a90c835cabbd2e3c55bf937e96b763444ac3f3a', operation='DELETE', pgid='pgtrigger_delete_delete_27b2b', table='orgs_apikey', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='user',
                trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userevent" ("date_joined", "email", "first_name", "id", "is_active", "is_staff", "is_superuser", "last_name", "login_version", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "username", "white_label_id") VALUES (NEW."date_joined", NEW."email", NEW."first_name", NEW."id", NEW."is_active", NEW."is_staff", NEW."is_superuser", NEW."last_name", NEW."login_version", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."username", NEW."white_label_id"); RETURN NULL;', hash='4f77dcdf9e1ee463190079c5bf74d21cb7604ef0', operation='INSERT', pgid='pgtrigger_insert_insert_e7c63', table='orgs_user', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='user',
                trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."date_joined" IS DISTINCT FROM (NEW."date_joined") OR OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."first_name" IS DISTINCT FROM (NEW."first_name") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_staff" IS DISTINCT FROM (NEW."is_staff") OR OLD."is_superuser" IS DISTINCT FROM (NEW."is_superuser") OR OLD."last_name" IS DISTINCT FROM (NEW."last_name") OR OLD."login_version" IS DISTINCT FROM (NEW."login_version") OR OLD."username" IS DISTINCT FROM (NEW."username") OR OLD."white_label_id" IS DISTINCT FROM (NEW."white_label_id"))', func='INSERT INTO "orgs_userevent" ("date_joined", "email", "first_name", "id", "is_active", "is_staff", "is_superuser", "last_name", "login_version", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "username", "white_label_id") VALUES (NEW."date_joined", NEW."email", NEW."first_name", NEW."id", NEW."is_active", NEW."is_staff", NEW."is_superuser", NEW."last_name", NEW."login_version", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."username", NEW."white_label_id"); RETURN NULL;', hash='d05c414a71024e729d1491f1a6b3a7f20c93204a', operation='UPDATE', pgid='pgtrigger_update_update_314a5', table='orgs_user', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='user',
                trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userevent" ("date_joined", "email", "first_name", "id", "is_active", "is_staff", "is_superuser", "last_name", "login_version", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "username", "white_label_id") VALUES (OLD."date_joined", OLD."email", OLD."first_name", OLD."id", OLD."is_active", OLD."is_staff", OLD."is_superuser", OLD."last_name", OLD."login_version", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."username", OLD."white_label_id"); RETURN NULL;', hash='80070e3289a2f3170f7e8f24020ae62819d77ab3', operation='DELETE', pgid='pgtrigger_delete_delete_5cce0', table='orgs_user', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='member',
                trigger=pgtrigger.compiler.Trigger(name='added_words', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', new_rows.name, new_rows.email) as text from new_rows) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='e4d1a1f54059b1f23030b07e4a3ea404e5eed881', level='STATEMENT', operation='INSERT', pgid='pgtrigger_added_words_312b2', referencing='REFERENCING NEW TABLE AS new_rows ', table='orgs_member', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='member',
                trigger=pgtrigger.compiler.Trigger(name='changed_words', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."name" IS DISTINCT FROM (NEW."name"))', func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', NEW.name, NEW.email) as text ) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='b064ca37d9b2bfdb6457a93e36ef03a74e99c24d', operation='UPDATE', pgid='pgtrigger_changed_words_eb254', table='orgs_member', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='added_words', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', new_rows.name, new_rows.billing_email, new_rows.domain) as text from new_rows) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='c141a0db68dcbf1b6d237783b7de7679cd7852e7', level='STATEMENT', operation='INSERT', pgid='pgtrigger_added_words_a6619', referencing='REFERENCING NEW TABLE AS new_rows ', table='orgs_organization', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='organization',
                trigger=pgtrigger.compiler.Trigger(name='changed_words', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."billing_email" IS DISTINCT FROM (NEW."billing_email") OR OLD."domain" IS DISTINCT FROM (NEW."domain") OR OLD."name" IS DISTINCT FROM (NEW."name"))', func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', NEW.name, NEW.billing_email, NEW.domain) as text ) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='627ba3339411226923a8914458ec81d8b1819e2e', operation='UPDATE', pgid='pgtrigger_changed_words_aa178', table='orgs_organization', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='project',
                trigger=pgtrigger.compiler.Trigger(name='added_words', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', new_rows.name) as text from new_rows) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='f54d2a951c29094862922020e9e98da5be5954be', level='STATEMENT', operation='INSERT', pgid='pgtrigger_added_words_19e11', referencing='REFERENCING NEW TABLE AS new_rows ', table='orgs_project', when='AFTER')),
            ),
            pgtrigger.migrations.AddTrigger(
                model_name='project',
                trigger=pgtrigger.compiler.Trigger(name='changed_words', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."name" IS DISTINCT FROM (NEW."name"))', func="\n    insert into orgs_searchword (word)\n    select distinct w.word\n    from (select concat_ws(' ', NEW.name) as text ) t\n    cross join lateral orgs_search_words(t.text) w(word)\n    where not exists (select from orgs_searchword s where s.word = w.word)\n    order by 1;\n    RETURN NULL;\n", hash='e9c2c61b790e9ee5661b4d9d1d5edcd29a28d7aa', operation='UPDATE', pgid='pgtrigger_changed_words_b2c69', table='orgs_project', when='AFTER')),
            ),
        ]),
        migrations.RunSQL(_guards.API_KEYS, _guards.DROP_API_KEYS),
        migrations.RunSQL(_guards.SUPERUSERS, _guards.DROP_SUPERUSERS),
        migrations.RunSQL(_guards.LOGINS, _guards.DROP_LOGINS),
        migrations.RunSQL(_evidence.RETENTION, _evidence.DROP_RETENTION),
        migrations.CreateModel(
            name='AccountEmail',
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
                ('kind', models.CharField(choices=[('login_locked', 'Login Locked'), ('email_changed', 'Email Changed'), ('two_factor_reset', 'Two Factor Reset'), ('member_added', 'Member Added'), ('account_created', 'Account Created'), ('password_reset', 'Password Reset')], max_length=16)),
                ('address', models.EmailField(max_length=254)),
                ('facts', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='user_username_unique'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), condition=models.Q(('email', ''), _negated=True), name='user_email_unique'),
        ),
        migrations.AddField(
            model_name='accountemail',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='accountemail',
            index=models.Index(fields=['user', 'kind', '-created_at'], name='account_email'),
        ),
        migrations.AddIndex(
            model_name='accountemail',
            index=models.Index(condition=models.Q(('state__in', ('pending', 'running'))), fields=['next_attempt_at'], name='account_email_unfinished'),
        ),
        migrations.AddIndex(
            model_name='accountemail',
            index=models.Index(condition=models.Q(('state', 'failed')), fields=['-finished_at'], name='account_email_failed'),
        ),
        migrations.AddConstraint(
            model_name='accountemail',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'running', 'done', 'failed', 'canceled'])), name='account_email_state'),
        ),
        migrations.AddConstraint(
            model_name='accountemail',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ('pending', 'running'))), models.Q(('finished_at__isnull', False), ('state__in', ('done', 'failed', 'canceled'))), _connector='OR'), name='account_email_finished_ended'),
        ),
        migrations.AddConstraint(
            model_name='accountemail',
            constraint=models.CheckConstraint(condition=models.Q(('lease', None), models.Q(('leased_until__isnull', False), ('state', 'running')), _connector='OR'), name='account_email_lease_running'),
        ),
        migrations.CreateModel(
            name='UserRole',
            fields=[
            ],
            options={
                'verbose_name': 'role of an account',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('orgs.user_groups',),
        ),
        migrations.CreateModel(
            name='UserPermission',
            fields=[
            ],
            options={
                'verbose_name': 'permission of an account',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('orgs.user_user_permissions',),
        ),
        migrations.CreateModel(
            name='UserPermissionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('permission', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='auth.permission')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('user', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='UserRoleEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('group', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='auth.group')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('user', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.userrole')),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userrole',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userroleevent" ("group_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."group_id", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."user_id"); RETURN NULL;', hash='13d55ae8e5ff2ecb6153ce1de4c77f056969a700', operation='INSERT', pgid='pgtrigger_insert_insert_6de0b', table='orgs_user_groups', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userrole',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "orgs_userroleevent" ("group_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."group_id", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."user_id"); RETURN NULL;', hash='179a8e77f8de7ce72efb1fd4c6bae771697912a7', operation='UPDATE', pgid='pgtrigger_update_update_5901e', table='orgs_user_groups', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userrole',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userroleevent" ("group_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (OLD."group_id", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."user_id"); RETURN NULL;', hash='9b964699a4df027c3214e16382829a84044ba49c', operation='DELETE', pgid='pgtrigger_delete_delete_8c52f', table='orgs_user_groups', when='AFTER')),
        ),
        migrations.AddField(
            model_name='userpermissionevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.userpermission'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userpermission',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userpermissionevent" ("id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."id", NEW."permission_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."user_id"); RETURN NULL;', hash='b1b85244cc67b389cd97951d108c840ea2e71937', operation='INSERT', pgid='pgtrigger_insert_insert_2e462', table='orgs_user_user_permissions', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userpermission',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "orgs_userpermissionevent" ("id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (NEW."id", NEW."permission_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."user_id"); RETURN NULL;', hash='a30cb61a99c59a008381ef374720df42df554106', operation='UPDATE', pgid='pgtrigger_update_update_9a791', table='orgs_user_user_permissions', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='userpermission',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_userpermissionevent" ("id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") VALUES (OLD."id", OLD."permission_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."user_id"); RETURN NULL;', hash='f8f293b24159d2e20a082c3ff6f78584cef44549', operation='DELETE', pgid='pgtrigger_delete_delete_e2065', table='orgs_user_user_permissions', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='userroleevent',
            index=models.Index(fields=['-pgh_created_at', '-pgh_id'], name='userrole_event_newest'),
        ),
        migrations.AddIndex(
            model_name='userpermissionevent',
            index=models.Index(fields=['-pgh_created_at', '-pgh_id'], name='userpermission_event_newest'),
        ),
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=4000, validators=[orgs.models.notes.validate_lines])),
                ('ticket_url', models.URLField(blank=True, max_length=500, validators=[django.core.validators.URLValidator(schemes=['https', 'http'])])),
                ('is_pinned', models.BooleanField(default=False)),
                ('author_name', models.CharField(max_length=150)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(null=True)),
                ('deleted_at', models.DateTimeField(null=True)),
                ('search_text', models.GeneratedField(db_persist=True, expression=orgs.models.search.SearchKey(django.db.models.functions.text.Trim(django.db.models.functions.text.Concat(models.F('text'), models.Value(' '), models.F('author_name'), models.Value(' '), models.F('ticket_url'), output_field=models.TextField()))), output_field=models.TextField())),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='orgs.organization')),
            ],
        ),
        migrations.CreateModel(
            name='NoteEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('text', models.TextField(max_length=4000, validators=[orgs.models.notes.validate_lines])),
                ('ticket_url', models.URLField(blank=True, max_length=500, validators=[django.core.validators.URLValidator(schemes=['https', 'http'])])),
                ('is_pinned', models.BooleanField(default=False)),
                ('author_name', models.CharField(max_length=150)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(null=True)),
                ('deleted_at', models.DateTimeField(null=True)),
                ('author', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.note')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddIndex(
            model_name='note',
            index=models.Index(fields=['organization', '-id'], name='note_newest'),
        ),
        migrations.AddIndex(
            model_name='note',
            index=models.Index(condition=models.Q(('deleted_at', None), ('is_pinned', True)), fields=['organization', '-id'], name='note_pinned'),
        ),
        migrations.AddIndex(
            model_name='note',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.F('search_text'), name='gin_trgm_ops'), name='note_search'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='note_created_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('changed_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('changed_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='note_changed_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('deleted_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('deleted_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='note_deleted_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='note_text_given'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('author_name', ''), _negated=True), name='note_author_name_given'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(('deleted_at__isnull', True), ('deleted_at__gte', models.F('created_at')), _connector='OR'), name='note_deleted_at_after_created_at'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='note',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_noteevent" ("author_id", "author_name", "changed_at", "created_at", "deleted_at", "id", "is_pinned", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "text", "ticket_url", "version") VALUES (NEW."author_id", NEW."author_name", NEW."changed_at", NEW."created_at", NEW."deleted_at", NEW."id", NEW."is_pinned", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."text", NEW."ticket_url", NEW."version"); RETURN NULL;', hash='c7e1d68d21639cfae529a901fe18ce2aaa23c100', operation='INSERT', pgid='pgtrigger_insert_insert_d2e3f', table='orgs_note', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='note',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."author_id" IS DISTINCT FROM (NEW."author_id") OR OLD."author_name" IS DISTINCT FROM (NEW."author_name") OR OLD."changed_at" IS DISTINCT FROM (NEW."changed_at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."deleted_at" IS DISTINCT FROM (NEW."deleted_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_pinned" IS DISTINCT FROM (NEW."is_pinned") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."text" IS DISTINCT FROM (NEW."text") OR OLD."ticket_url" IS DISTINCT FROM (NEW."ticket_url") OR OLD."version" IS DISTINCT FROM (NEW."version"))', func='INSERT INTO "orgs_noteevent" ("author_id", "author_name", "changed_at", "created_at", "deleted_at", "id", "is_pinned", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "text", "ticket_url", "version") VALUES (NEW."author_id", NEW."author_name", NEW."changed_at", NEW."created_at", NEW."deleted_at", NEW."id", NEW."is_pinned", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."text", NEW."ticket_url", NEW."version"); RETURN NULL;', hash='e8ca3380fa22fc21d96d16c5b5249a4ff029b857', operation='UPDATE', pgid='pgtrigger_update_update_b1a2b', table='orgs_note', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='note',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_noteevent" ("author_id", "author_name", "changed_at", "created_at", "deleted_at", "id", "is_pinned", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "text", "ticket_url", "version") VALUES (OLD."author_id", OLD."author_name", OLD."changed_at", OLD."created_at", OLD."deleted_at", OLD."id", OLD."is_pinned", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."text", OLD."ticket_url", OLD."version"); RETURN NULL;', hash='8afe4dea154234cf683f69105ffbcca39c779cef', operation='DELETE', pgid='pgtrigger_delete_delete_19296', table='orgs_note', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='noteevent',
            index=models.Index(fields=['-pgh_created_at', '-pgh_id'], name='note_event_newest'),
        ),
        migrations.AddIndex(
            model_name='member',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', '-added_at', '-id'], name='member_newest'),
        ),
        migrations.AddIndex(
            model_name='project',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', '-added_at', '-id'], name='project_newest'),
        ),
        migrations.CreateModel(
            name='ViewAs',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=1000)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='viewed_as', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='views_as', to=settings.AUTH_USER_MODEL)),
                ('white_label', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.whitelabel')),
            ],
            options={
                'verbose_name': 'view as another account',
                'verbose_name_plural': 'views as another account',
            },
        ),
        migrations.CreateModel(
            name='ViewAsEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('reason', models.CharField(max_length=1000)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('organization', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.organization')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.viewas')),
                ('user', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL)),
                ('white_label', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='orgs.whitelabel')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('started_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('started_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='view_as_started_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('ends_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='view_as_ends_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('ended_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='view_as_ended_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='view_as_reason_given'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__isnull', True), ('ends_at__gte', models.F('started_at')), _connector='OR'), name='view_as_ends_at_after_started_at'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('ended_at__gte', models.F('started_at')), _connector='OR'), name='view_as_ended_at_after_started_at'),
        ),
        migrations.AddConstraint(
            model_name='viewas',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('account', None), ('organization__isnull', False)), models.Q(('account__isnull', False), ('organization', None)), _connector='OR'), name='view_as_of_one'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='viewas',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_viewasevent" ("account_id", "ended_at", "ends_at", "id", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "started_at", "user_id", "white_label_id") VALUES (NEW."account_id", NEW."ended_at", NEW."ends_at", NEW."id", NEW."organization_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason", NEW."started_at", NEW."user_id", NEW."white_label_id"); RETURN NULL;', hash='3088397ee85000a523e435edccb99bd825159247', operation='INSERT', pgid='pgtrigger_insert_insert_b83f2', table='orgs_viewas', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='viewas',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "orgs_viewasevent" ("account_id", "ended_at", "ends_at", "id", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "started_at", "user_id", "white_label_id") VALUES (NEW."account_id", NEW."ended_at", NEW."ends_at", NEW."id", NEW."organization_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason", NEW."started_at", NEW."user_id", NEW."white_label_id"); RETURN NULL;', hash='d13977aa18d73fef0a0fd43c2df78d8073672b0d', operation='UPDATE', pgid='pgtrigger_update_update_189b7', table='orgs_viewas', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='viewas',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_viewasevent" ("account_id", "ended_at", "ends_at", "id", "organization_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "started_at", "user_id", "white_label_id") VALUES (OLD."account_id", OLD."ended_at", OLD."ends_at", OLD."id", OLD."organization_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."reason", OLD."started_at", OLD."user_id", OLD."white_label_id"); RETURN NULL;', hash='b24c219bb79ad950722e77d9d7039e87d5eb8bea', operation='DELETE', pgid='pgtrigger_delete_delete_b4b0d', table='orgs_viewas', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='viewasevent',
            index=models.Index(fields=['-pgh_created_at', '-pgh_id'], name='viewas_event_newest'),
        ),
        migrations.CreateModel(
            name='RolePermission',
            fields=[
            ],
            options={
                'verbose_name': 'permission of a role',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('auth.group_permissions',),
        ),
        migrations.CreateModel(
            name='RolePermissionEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.IntegerField()),
                ('group', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='auth.group')),
                ('permission', models.ForeignKey(db_constraint=False, db_tablespace='', on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='auth.permission')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='orgs.rolepermission')),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rolepermission',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_rolepermissionevent" ("group_id", "id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."group_id", NEW."id", NEW."permission_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='afee6b88fe4f52dd759797c22135c41372cceb56', operation='INSERT', pgid='pgtrigger_insert_insert_1d4db', table='auth_group_permissions', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rolepermission',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "orgs_rolepermissionevent" ("group_id", "id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."group_id", NEW."id", NEW."permission_id", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='9ddf3a14d5ef94dff99b31d34ad47f8892b0a716', operation='UPDATE', pgid='pgtrigger_update_update_2f9f6', table='auth_group_permissions', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='rolepermission',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "orgs_rolepermissionevent" ("group_id", "id", "permission_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."group_id", OLD."id", OLD."permission_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='de2daca682c4675c12310ad32e2bc90db4607e8a', operation='DELETE', pgid='pgtrigger_delete_delete_6acbe', table='auth_group_permissions', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='rolepermissionevent',
            index=models.Index(fields=['-pgh_created_at', '-pgh_id'], name='rolepermission_event_newest'),
        ),
        migrations.CreateModel(
            name='Logo',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64)),
                ('content_type', models.CharField(choices=[('image/png', 'image/png'), ('image/jpeg', 'image/jpeg'), ('image/webp', 'image/webp')], max_length=20)),
                ('width', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2000)])),
                ('height', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2000)])),
                ('data', models.BinaryField(max_length=200000)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.AddConstraint(
            model_name='whitelabel',
            constraint=models.CheckConstraint(condition=models.Q(('logo_sha256__regex', '^([0-9a-f]{64})?$')), name='white_label_logo_sha256'),
        ),
        migrations.AddConstraint(
            model_name='whitelabel',
            constraint=models.CheckConstraint(condition=models.Q(('accent_color__regex', '^(#[0-9a-f]{6})?$')), name='white_label_accent_color'),
        ),
        migrations.AddField(
            model_name='logo',
            name='white_label',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='logos', to='orgs.whitelabel'),
        ),
        migrations.AddConstraint(
            model_name='logo',
            constraint=models.CheckConstraint(condition=models.Q(('created_at__gte', datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('created_at__lt', datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='logo_created_at_in_range'),
        ),
        migrations.AddConstraint(
            model_name='logo',
            constraint=models.UniqueConstraint(fields=('sha256', 'white_label'), name='logo_unique'),
        ),
        migrations.AddConstraint(
            model_name='logo',
            constraint=models.CheckConstraint(condition=models.Q(('sha256__regex', '^[0-9a-f]{64}$')), name='logo_sha256'),
        ),
        migrations.AddConstraint(
            model_name='logo',
            constraint=models.CheckConstraint(condition=models.Q(('content_type__in', ('image/png', 'image/jpeg', 'image/webp'))), name='logo_content_type'),
        ),
        migrations.AddConstraint(
            model_name='whitelabel',
            constraint=models.CheckConstraint(condition=models.Q(('default_soft_limit__gt', 0), ('default_hard_limit__gt', 0)), name='white_label_default_limits', violation_error_message='Limits are above 0.'),
        ),
        migrations.AddConstraint(
            model_name='whitelabel',
            constraint=models.CheckConstraint(condition=models.Q(('default_soft_limit__lte', models.F('default_hard_limit'))), name='white_label_default_limits_in_order', violation_error_message='The soft limit must not exceed the hard limit.'),
        ),
    ]
