from django.urls import path

from metrics.views.price_changes import (
    end_price,
    import_prices,
    new_price,
    undo_price,
)
from metrics.views.prices import prices, prices_csv
from metrics.views.public_prices import public_prices
from metrics.views.rerates import rerate, rerates
from metrics.views.usage import usage

app_name = "metrics"
urlpatterns = [
    path("organizations/<int:organization_id>/usage/", usage, name="usage"),
    path("settings/prices/", prices, name="prices"),
    path("settings/prices.csv", prices_csv, name="prices_csv"),
    path("settings/prices/new/", new_price, name="new_price"),
    path("settings/prices/end/", end_price, name="end_price"),
    path("settings/prices/undo/", undo_price, name="undo_price"),
    path("settings/prices/rerates/", rerates, name="rerates"),
    path("settings/prices/rerates/<int:run_id>/", rerate, name="rerate"),
    path("settings/prices/public/", public_prices, name="public_prices"),
    path("settings/prices/import/", import_prices, name="import_prices"),
]
