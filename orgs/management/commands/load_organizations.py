from collections.abc import Sequence

import msgspec

from orgs.commands.organizations import IncomingOrganization, load_organizations
from orgs.management.loading import LoadCommand, Loaded, NumberedLine, Reject

_decoder = msgspec.json.Decoder(IncomingOrganization)


class Command(LoadCommand):
    help = "Load organizations with their members and projects from NDJSON."
    batch_size = 500

    def load(self, batch: Sequence[NumberedLine]) -> Loaded:
        loaded = Loaded()
        incoming = []
        for number, line in batch:
            try:
                incoming.append(_parse(line))
            except msgspec.MsgspecError as error:
                loaded.rejects.append(Reject(number, "invalid_line", str(error)))
        answers = load_organizations(self.white_label, incoming)
        loaded.accepted = sum(answers)
        loaded.duplicates = len(answers) - loaded.accepted
        return loaded


def _parse(line: bytes) -> IncomingOrganization:
    if b"\\u0000" in line:
        raise msgspec.ValidationError("Text must not contain NUL characters.")
    return _decoder.decode(line)
