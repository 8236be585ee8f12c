"""The orgs app: registers the background job that deletes an organization."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """The configuration of the app; it registers the background jobs."""

    name = "orgs"

    def ready(self) -> None:
        from orgs.commands.editing import delete_organization
        from orgs.commands.jobs import register_job
        from orgs.models import Job
        from orgs.web import history_texts  # noqa: F401  it registers itself

        register_job(
            Job.Kind.DELETE_ORGANIZATION,
            lambda job: delete_organization(job.organization),
        )
