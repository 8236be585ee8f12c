from django.urls import path

from billing import views

app_name = "billing"
urlpatterns = [
    path("", views.fleet, name="fleet"),
    path("organizations/", views.organization_list, name="organization_list"),
    path("organizations/<int:organization_id>/", views.overview, name="overview"),
    path("organizations/<int:organization_id>/billing/", views.billing, name="billing"),
]
