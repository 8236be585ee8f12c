from django.urls import path

from metrics import views

app_name = "metrics"
urlpatterns = [
    path("organizations/<int:organization_id>/usage/", views.usage, name="usage"),
]
