from django.urls import path

from orgs import views

app_name = "orgs"
urlpatterns = [
    path("organizations/<int:organization_id>/people/", views.people, name="people"),
    path("organizations/<int:organization_id>/history/", views.history, name="history"),
    path("api-keys/", views.api_keys, name="api_keys"),
    path("api-keys/<int:key_id>/rotate/", views.rotate_key, name="rotate_key"),
    path("api-keys/<int:key_id>/revoke/", views.revoke_key, name="revoke_key"),
]
