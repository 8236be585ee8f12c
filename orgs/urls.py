from django.urls import path

from orgs import views

app_name = "orgs"
urlpatterns = [
    path("organizations/<int:organization_id>/people/", views.people, name="people"),
    path("organizations/<int:organization_id>/history/", views.history, name="history"),
]
