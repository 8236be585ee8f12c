"""Every command of `docs/` runs on a fresh installation without the demo."""

import pytest

from tests.support.installation import run_documents

# What a document's commands must print, besides ending without an error.
PRINTED = {
    "docs/loading.md": [r"accepted 3 duplicates 0 rejected 0"],
    "docs/api.md": [r'"accepted": ?1\b', "organization_not_found", r'"allowed": ?true'],
    "docs/operations.md": ["metrics_usageevent_"],
}


@pytest.mark.process
def test_commands_run_on_a_fresh_installation() -> None:
    run_documents(PRINTED, demo=False)
