from django.urls import path

from metrics.views.prices import import_prices, new_price, prices, prices_csv
from metrics.views.usage import usage

app_name = "metrics"
urlpatterns = [
    path("organizations/<int:organization_id>/usage/", usage, name="usage"),
    path("settings/prices/", prices, name="prices"),
    path("settings/prices.csv", prices_csv, name="prices_csv"),
    path("settings/prices/new/", new_price, name="new_price"),
    path("settings/prices/import/", import_prices, name="import_prices"),
]
