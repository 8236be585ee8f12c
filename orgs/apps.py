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
        from orgs.queue.enqueue import enqueue
        from orgs.signals import account_email_written
        from orgs.tasks import send_account_email
        from orgs.web import history_texts  # noqa: F401  it registers itself

        encryption.connect()
        logins.connect()
        receivers.connect()
        account_email_written.connect(
            lambda account_email_id, **_: enqueue(send_account_email, account_email_id),
            dispatch_uid="send_account_email",
            weak=False,
        )
        register_job(
            Job.Kind.DELETE_ORGANIZATION,
            lambda job: delete_organization(job.organization),
        )
