"""Invoices and subscriptions know their white label, kept by triggers.

Filled while the history's triggers are away: nothing about the rows changed.
"""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

FILL = [
    f"""
update {table} r set white_label_id = o.white_label_id
from orgs_organization o where o.id = r.organization_id
"""
    for table in ("billing_invoice", "billing_subscription")
] + ["set constraints all immediate"]


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0002_subscription_by_trial_end'),
        ('orgs', '0001_initial'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='invoice',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='subscription',
            name='update_update',
        ),
        migrations.AddField(
            model_name='invoice',
            name='white_label',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orgs.whitelabel'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='white_label',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orgs.whitelabel'),
        ),
        migrations.RunSQL(FILL, reverse_sql=migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='invoice',
            trigger=pgtrigger.compiler.Trigger(name='fill_white_label', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n            NEW.white_label_id = (select white_label_id from orgs_organization\n                where id = NEW.organization_id);\n            RETURN NEW;\n        ', hash='a9fa5997508cb15d94d8bb7cd4e088bd6b1a850d', operation='INSERT OR UPDATE OF "organization_id"', pgid='pgtrigger_fill_white_label_f8b0c', table='billing_invoice', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='invoice',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."amount_due" IS DISTINCT FROM (NEW."amount_due") OR OLD."amount_paid" IS DISTINCT FROM (NEW."amount_paid") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."due_at" IS DISTINCT FROM (NEW."due_at") OR OLD."hosted_url" IS DISTINCT FROM (NEW."hosted_url") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."issued_at" IS DISTINCT FROM (NEW."issued_at") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."paid_at" IS DISTINCT FROM (NEW."paid_at") OR OLD."period_id" IS DISTINCT FROM (NEW."period_id") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."stripe_id" IS DISTINCT FROM (NEW."stripe_id") OR OLD."synced_at" IS DISTINCT FROM (NEW."synced_at") OR OLD."total" IS DISTINCT FROM (NEW."total"))', func='INSERT INTO "billing_invoiceevent" ("amount_due", "amount_paid", "currency", "due_at", "hosted_url", "id", "issued_at", "number", "organization_id", "paid_at", "period_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "status", "stripe_id", "synced_at", "total") VALUES (NEW."amount_due", NEW."amount_paid", NEW."currency", NEW."due_at", NEW."hosted_url", NEW."id", NEW."issued_at", NEW."number", NEW."organization_id", NEW."paid_at", NEW."period_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."status", NEW."stripe_id", NEW."synced_at", NEW."total"); RETURN NULL;', hash='cc9eb4b85ae91b69c5c9738de1014621d7a332a6', operation='UPDATE', pgid='pgtrigger_update_update_28c43', table='billing_invoice', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='fill_white_label', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n            NEW.white_label_id = (select white_label_id from orgs_organization\n                where id = NEW.organization_id);\n            RETURN NEW;\n        ', hash='c72875f900315ad714180d075e513265241b9bcc', operation='INSERT OR UPDATE OF "organization_id"', pgid='pgtrigger_fill_white_label_d2851', table='billing_subscription', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."cancels_at" IS DISTINCT FROM (NEW."cancels_at") OR OLD."cycle" IS DISTINCT FROM (NEW."cycle") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."pause_reason" IS DISTINCT FROM (NEW."pause_reason") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."period_ends_at" IS DISTINCT FROM (NEW."period_ends_at") OR OLD."period_starts_at" IS DISTINCT FROM (NEW."period_starts_at") OR OLD."seats" IS DISTINCT FROM (NEW."seats") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."stripe_id" IS DISTINCT FROM (NEW."stripe_id") OR OLD."stripe_price_id" IS DISTINCT FROM (NEW."stripe_price_id") OR OLD."synced_at" IS DISTINCT FROM (NEW."synced_at") OR OLD."tier" IS DISTINCT FROM (NEW."tier") OR OLD."trial_ends_at" IS DISTINCT FROM (NEW."trial_ends_at"))', func='INSERT INTO "billing_subscriptionevent" ("cancels_at", "cycle", "id", "kind", "organization_id", "pause_reason", "paused_at", "period_ends_at", "period_starts_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "seats", "status", "stripe_id", "stripe_price_id", "synced_at", "tier", "trial_ends_at") VALUES (NEW."cancels_at", NEW."cycle", NEW."id", NEW."kind", NEW."organization_id", NEW."pause_reason", NEW."paused_at", NEW."period_ends_at", NEW."period_starts_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."seats", NEW."status", NEW."stripe_id", NEW."stripe_price_id", NEW."synced_at", NEW."tier", NEW."trial_ends_at"); RETURN NULL;', hash='9106e963d8221a7980c9c4b79c430a5a7b12d864', operation='UPDATE', pgid='pgtrigger_update_update_5c2d2', table='billing_subscription', when='AFTER')),
        ),
    ]
