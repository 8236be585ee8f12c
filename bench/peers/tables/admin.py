from django.contrib import admin

from bench.peers.tables.models import Organization


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A stock change list, as configured in half an hour."""

    list_display = ("name", "external_id", "white_label", "is_active", "created_at")
    search_fields = ("name", "external_id", "billing_email")
    ordering = ("name",)
    list_per_page = 50
