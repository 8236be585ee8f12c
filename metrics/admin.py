"""Django admin of the price book. Prices are replaced, never edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from metrics.catalog import METERS
from metrics.commands.rates import IncomingRate, load_rates
from metrics.events import PRODUCT, PRODUCT_RULE
from metrics.models import Rate
from metrics.units import parse_unit
from orgs import access
from orgs.admin import VisibleRowsAdmin
from orgs.decimals import plain
from orgs.errors import InputRejected


class RateForm(forms.ModelForm):
    """A price to add; one with the same start replaces the price that is in force."""

    meter = forms.ChoiceField(choices=[(m.slug, m.label) for m in METERS.values()])
    unit = forms.CharField(
        max_length=40,
        required=False,
        help_text="The unit that the prices are for, such as 1M tokens, 1,000 requests,"
        " GPU-hour, or GiB-month. Empty: a token, request, second, byte, or byte-day.",
    )

    class Meta:
        model = Rate
        fields = (
            "white_label",
            "organization",
            "product",
            "meter",
            "effective_from",
            "unit_price",
            "unit",
            "benchmark_unit_price",
        )

    def clean_product(self) -> str:
        product: str = self.cleaned_data["product"]
        if not PRODUCT.fullmatch(product):
            raise forms.ValidationError(f"Use {PRODUCT_RULE}.")
        return product

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        organization, owner = data.get("organization"), data.get("white_label")
        if organization and owner and organization.white_label_id != owner.pk:
            self.add_error(
                "organization", "This organization belongs to another white label."
            )
        if data.get("meter"):
            self._read_unit(data)
        return data

    def _read_unit(self, data: dict[str, Any]) -> None:
        try:
            data["unit"] = parse_unit(data.get("unit", ""), data["meter"]).name
        except InputRejected as error:
            self.add_error("unit", str(error))

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
    page = "metrics:prices"
    list_display = (
        "product",
        "meter",
        "white_label",
        "organization",
        "price",
        "unit",
        "benchmark_price",
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

    def view_on_site(self, row: Rate) -> str:
        """Return the page of all prices."""
        return reverse(self.page)

    @admin.display(description="Unit price", ordering="unit_price")
    def price(self, rate: Rate) -> str:
        return "ended" if rate.unit_price is None else plain(rate.unit_price)

    @admin.display(description="Benchmark unit price", ordering="benchmark_unit_price")
    def benchmark_price(self, rate: Rate) -> str:
        return plain(rate.benchmark_unit_price)

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
                    unit=obj.unit,
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
