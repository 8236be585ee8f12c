"""Django admin of subscriptions and invoices: read-only mirrors of Stripe."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from billing.models import Invoice, Subscription
from orgs.admin import VisibleRowsAdmin


class _ReadOnlyAdmin(VisibleRowsAdmin):
    """The base of admin pages for objects that only Stripe changes."""

    page = "billing:billing"
    list_select_related = ("organization",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(_ReadOnlyAdmin):
    list_display = (
        "organization",
        "kind",
        "tier",
        "cycle",
        "status",
        "synced_at",
    )
    list_filter = ("status", "kind", "tier")
    search_fields = ("stripe_id", "organization__search_text__key_contains")
    ordering = ("-id",)


@admin.register(Invoice)
class InvoiceAdmin(_ReadOnlyAdmin):
    list_display = (
        "__str__",
        "organization",
        "status",
        "total",
        "currency",
        "overdue_from",
    )
    list_filter = ("status",)
    search_fields = ("stripe_id", "number", "organization__search_text__key_contains")
    ordering = ("-issued_at", "-id")
