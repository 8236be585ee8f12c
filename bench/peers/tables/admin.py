from django.contrib import admin

from bench.peers.tables.models import Organization


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The stock changelist: what half an hour of work gives."""

    list_display = ("name", "external_id", "white_label", "is_active", "created_at")
    search_fields = ("name", "external_id", "billing_email")
    ordering = ("name",)
    list_per_page = 50
