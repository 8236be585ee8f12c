"""URLs of the overview, the organization list and their exports."""

from django.urls import path

from billing.console.views.background_jobs import (
    background_jobs,
    retry_background_jobs,
)
from billing.console.views.cost_lines import cost_lines, day_events
from billing.console.views.costs import costs
from billing.console.views.fleet import fleet
from billing.console.views.organizations import organization_list, overview
from billing.console.views.saved_views import delete_list_view, save_list_view
from billing.console.views.search import search_page
from billing.console.views.unpriced import unpriced

urlpatterns = [
    path("", fleet, name="fleet"),
    path("search/", search_page, name="search"),
    path("unpriced/", unpriced, name="unpriced"),
    path("settings/jobs/", background_jobs, name="background_jobs"),
    path(
        "settings/jobs/<slug:slug>/retry/",
        retry_background_jobs,
        name="retry_background_jobs",
    ),
    path("organizations/", organization_list, name="organization_list"),
    path("organizations/views/", save_list_view, name="save_list_view"),
    path(
        "organizations/views/<int:view_id>/delete/",
        delete_list_view,
        name="delete_list_view",
    ),
    path("organizations/<int:organization_id>/", overview, name="overview"),
    path("organizations/<int:organization_id>/costs/", costs, name="costs"),
    path(
        "organizations/<int:organization_id>/costs/lines/",
        cost_lines,
        name="cost_lines",
    ),
    path(
        "organizations/<int:organization_id>/costs/events/",
        day_events,
        name="day_events",
    ),
]
