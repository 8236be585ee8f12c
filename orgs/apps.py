"""The orgs app: registers its background job, and what guards second factors."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """The configuration of the app; it registers the background jobs."""

    name = "orgs"

    def ready(self) -> None:
        from orgs.access import receivers
        from orgs.commands.editing import delete_organization
        from orgs.commands.factors import encryption, logins
        from orgs.commands.jobs import register_job
        from orgs.models import Job
        from orgs.web import history_texts  # noqa: F401  it registers itself

        encryption.connect()
        logins.connect()
        receivers.connect()
        register_job(
            Job.Kind.DELETE_ORGANIZATION,
            lambda job: delete_organization(job.organization),
        )
