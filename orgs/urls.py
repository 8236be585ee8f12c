from django.urls import path, re_path

from orgs.views.branding import accent_style, edit_branding, logo
from orgs.views.history import fleet_history, history
from orgs.views.keys import api_keys, edit_key, revoke_key, rotate_key
from orgs.views.member_lists import add_members
from orgs.views.notes import delete, edit_note, fleet_notes, notes, pin, restore
from orgs.views.people import people, remove_person, restore_person
from orgs.views.person_forms import add_person, edit_person
from orgs.views.security_log import seals, security_log, security_log_csv
from orgs.views.sessions import end_all, end_one, sessions
from orgs.views.staff import edit_staff, invite, staff
from orgs.views.views_as import stop_view_as, view_as, view_as_account
from orgs.views.white_labels import new_white_label, white_labels

app_name = "orgs"

_PEOPLE = "organizations/<int:organization_id>/people"
_PERSON = f"{_PEOPLE}/<slug:kind>/<int:person_id>"
_LABEL = "settings/white-labels/<int:white_label_id>"
_NOTE = "organizations/<int:organization_id>/notes/<int:note_id>"
urlpatterns = [
    path(f"{_PEOPLE}/", people, name="people"),
    path(f"{_PEOPLE}/members/list/", add_members, name="add_members"),
    path(f"{_PEOPLE}/<slug:kind>/new/", add_person, name="add_person"),
    path(f"{_PERSON}/", edit_person, name="edit_person"),
    path(f"{_PERSON}/remove/", remove_person, name="remove_person"),
    path(f"{_PERSON}/restore/", restore_person, name="restore_person"),
    path("organizations/<int:organization_id>/history/", history, name="history"),
    path("organizations/<int:organization_id>/notes/", notes, name="notes"),
    path(f"{_NOTE}/", edit_note, name="edit_note"),
    path(f"{_NOTE}/pin/", pin, name="pin_note"),
    path(f"{_NOTE}/delete/", delete, name="delete_note"),
    path(f"{_NOTE}/restore/", restore, name="restore_note"),
    path("organizations/<int:organization_id>/view-as/", view_as, name="view_as"),
    path("view-as/stop/", stop_view_as, name="stop_view_as"),
    path("view-as/<slug:slug>/", view_as_account, name="view_as_account"),
    path("notes/", fleet_notes, name="fleet_notes"),
    path("history/", fleet_history, name="fleet_history"),
    path("security-log/", security_log, name="security_log"),
    path("security-log.csv", security_log_csv, name="security_log_csv"),
    path("security-log/seals.jsonl", seals, name="seals"),
    path("settings/staff/", staff, name="staff"),
    path("settings/staff/new/", invite, name="invite_staff"),
    path("settings/staff/<int:user_id>/", edit_staff, name="edit_staff"),
    path("settings/white-labels/", white_labels, name="white_labels"),
    path("settings/white-labels/new/", new_white_label, name="new_white_label"),
    path(f"{_LABEL}/branding/", edit_branding, name="edit_branding"),
    re_path(r"^logos/(?P<sha256>[0-9a-f]{64})$", logo, name="logo"),
    re_path(
        r"^accents/(?P<color>[0-9a-f]{6})\.css$", accent_style, name="accent_style"
    ),
    path("api-keys/", api_keys, name="api_keys"),
    path("api-keys/<int:key_id>/", edit_key, name="edit_key"),
    path("api-keys/<int:key_id>/rotate/", rotate_key, name="rotate_key"),
    path("api-keys/<int:key_id>/revoke/", revoke_key, name="revoke_key"),
    path("accounts/sessions/", sessions, name="sessions"),
    path("accounts/sessions/end/", end_one, name="end_session"),
    path("accounts/sessions/end-all/", end_all, name="end_sessions"),
    path("people/<int:user_id>/sessions/", sessions, name="sessions_of"),
    path("people/<int:user_id>/sessions/end/", end_one, name="end_session_of"),
    path("people/<int:user_id>/sessions/end-all/", end_all, name="end_sessions_of"),
]
