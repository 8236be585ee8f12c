from django.urls import path

from orgs.views.history import fleet_history, history
from orgs.views.keys import api_keys, edit_key, revoke_key, rotate_key
from orgs.views.organizations import people

app_name = "orgs"
urlpatterns = [
    path("organizations/<int:organization_id>/people/", people, name="people"),
    path("organizations/<int:organization_id>/history/", history, name="history"),
    path("history/", fleet_history, name="fleet_history"),
    path("api-keys/", api_keys, name="api_keys"),
    path("api-keys/<int:key_id>/", edit_key, name="edit_key"),
    path("api-keys/<int:key_id>/rotate/", rotate_key, name="rotate_key"),
    path("api-keys/<int:key_id>/revoke/", revoke_key, name="revoke_key"),
]
