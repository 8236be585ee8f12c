"""Django admin of the price book. Prices are replaced, never edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from metrics.catalog import METERS
from metrics.commands.rates import IncomingRate, load_rates
from metrics.events import PRODUCT
from metrics.models import Rate
from orgs import access
from orgs.admin import VisibleRowsAdmin


class RateForm(forms.ModelForm):
    """A price to add; one with the same start replaces the price that is in force."""

    meter = forms.ChoiceField(choices=[(m.slug, m.label) for m in METERS.values()])

    class Meta:
        model = Rate
        fields = (
            "white_label",
            "organization",
            "product",
            "meter",
            "effective_from",
            "unit_price",
            "benchmark_unit_price",
        )

    def clean_product(self) -> str:
        product: str = self.cleaned_data["product"]
        if not PRODUCT.fullmatch(product):
            raise forms.ValidationError(
                "Use 1 to 100 characters: A-Z, a-z, 0-9, or . _ : / -."
            )
        return product

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        organization, owner = data.get("organization"), data.get("white_label")
        if organization and owner and organization.white_label_id != owner.pk:
            self.add_error(
                "organization", "This organization belongs to another white label."
            )
        return data

    def validate_unique(self) -> None:
        """Accept a price with the same start: it replaces the one in force."""

    def validate_constraints(self) -> None:
        """Skip the constraints of the table, for the same reason.

        The fields check everything else.
        """


@admin.register(Rate)
class RateAdmin(VisibleRowsAdmin):
    """List of the prices in force; a new one with the same start replaces the old."""

    form = RateForm
    list_display = (
        "product",
        "meter",
        "white_label",
        "organization",
        "unit_price",
        "benchmark_unit_price",
        "effective_from",
    )
    list_filter = ("white_label", "meter")
    list_select_related = ("white_label", "organization")
    search_fields = ("product",)
    ordering = ("white_label", "product", "meter", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rate]:
        """Return the prices in force of the white labels that the user may see."""
        principal = access.principal_of(request.user)
        labels = access.visible_white_labels(principal)
        return Rate.objects.current().filter(white_label__in=labels)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return false: a price that was used must stay as it is."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Rate, form: Any, change: bool
    ) -> None:
        """Add the price as the API does, and refer to the row that is now in force."""
        load_rates(
            obj.white_label,
            [
                IncomingRate(
                    product=obj.product,
                    meter=obj.meter,
                    unit_price=obj.unit_price,
                    benchmark_unit_price=obj.benchmark_unit_price,
                    effective_from=obj.effective_from,
                    organization_id=obj.organization_id,
                )
            ],
        )
        current = Rate.objects.current().get(
            white_label=obj.white_label,
            organization=obj.organization,
            product=obj.product,
            meter=obj.meter,
            effective_from=obj.effective_from,
        )
        obj.pk = current.pk
        obj._state.adding = False
