"""`load_organizations`: load organizations with their people from an NDJSON file."""

from collections.abc import Sequence

from orgs.commands.organizations import load_organizations
from orgs.errors import InputRejected
from orgs.management.loading import LoadCommand, Loaded
from orgs.management.organization_lines import parse_organization
from orgs.management.records import Layout


class Command(LoadCommand):
    help = "Load organizations with their members and projects from NDJSON."
    batch_size = 500
    layout = Layout()

    def load(self, batch: Sequence[tuple[int, bytes]]) -> Loaded:
        loaded = Loaded()
        incoming = []
        for number, line in batch:
            try:
                incoming.append(parse_organization(line))
            except InputRejected as error:
                loaded.reject(number, error)
        answers = load_organizations(self.white_label, incoming)
        loaded.counts["accepted"] = sum(answers)
        loaded.counts["duplicates"] = len(answers) - sum(answers)
        return loaded
