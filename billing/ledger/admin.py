"""Django admin of billing accounts and spending limits."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from billing.ledger.commands.credits import lock_account, set_free_balance
from billing.ledger.commands.limits import change_limit
from billing.models import BillingAccount, SpendingLimit
from billing.signals import terms_changed
from orgs.admin import VisibleRowsAdmin


class _OrganizationOwnedAdmin(VisibleRowsAdmin):
    list_select_related = ("organization",)
    search_fields = ("organization__search_text__key_contains",)
    ordering = ("organization_id",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("organization",)


@admin.register(BillingAccount)
class BillingAccountAdmin(_OrganizationOwnedAdmin):
    page = "billing:credits"
    list_display = ("organization", "stripe_id", "free_balance", "last_invoice_at")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: a customer is linked by an action of Stripe.

        A free choice would reveal which customers other white labels have, and could
        take one of theirs. The time of the last invoice is written by invoicing alone.
        """
        fixed = ("stripe_id", "last_invoice_at")
        return (*super().get_readonly_fields(request, obj), *fixed)

    def save_model(
        self, request: HttpRequest, obj: BillingAccount, form: Any, change: bool
    ) -> None:
        """Save the account; a new free balance is written as an entry of the ledger.

        A period that closes while the form is open may have used some of the balance.
        So the row is locked and its balance read again: the ledger's entry is the
        difference from that, not from what the form showed.
        """
        new_balance, id_ = obj.free_balance, obj.organization_id
        lock_account(id_)
        obj.refresh_from_db(fields=["free_balance"])
        super().save_model(request, obj, form, change=True)
        if "free_balance" in form.changed_data:
            by = request.user.get_username()
            set_free_balance(id_, new_balance, note="Set in the admin.", by=by)
        terms_changed.send(BillingAccount, organization_ids=[id_])


@admin.register(SpendingLimit)
class SpendingLimitAdmin(_OrganizationOwnedAdmin):
    page = "billing:alerts"
    list_display = ("organization", "kind", "amount", "version")
    list_filter = ("kind",)
    fields = ("organization", "kind", "amount", "version")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("version",) if obj is None else ("organization", "kind", "version")

    def save_model(
        self, request: HttpRequest, obj: SpendingLimit, form: Any, change: bool
    ) -> None:
        saved = change_limit(obj.organization_id, kind=obj.kind, amount=obj.amount)
        obj.pk, obj.version = saved.pk, saved.version
        obj._state.adding = False
