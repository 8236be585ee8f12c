"""Settings, prices: a price book that begins with public list prices."""

from itertools import groupby
from operator import attrgetter

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from metrics.public_price_forms import PublicPricesForm
from metrics.queries.public_prices import public_products
from metrics.views.price_changes import preview_list
from metrics.views.prices import chosen_label, page_context
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "metrics/public_prices.html"


@require_http_methods(["GET", "HEAD", "POST"])
def public_prices(request: OrgRequest) -> HttpResponse:
    """Choose public prices and a markup; POST shows the import with its preview.

    Nothing is saved here: the import saves what its preview showed.
    """
    label = chosen_label(request)
    form = PublicPricesForm(request.POST or None, currency=label.currency)
    if form.is_valid():
        return preview_list(request, label, form.csv())
    products = public_products().values()
    context = page_context(request, label) | {
        "form": form,
        "providers": [
            (provider, list(of_provider))
            for provider, of_provider in groupby(products, attrgetter("provider"))
        ],
        "as_of": max(price.as_of for one in products for price in one.prices),
    }
    status = 422 if form.errors else 200
    return page_or_fragment(request, _PAGE, _PAGE, context, status=status)
