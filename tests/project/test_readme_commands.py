"""Every command of the README runs on a fresh installation with the demo."""

import pytest

from tests.support.installation import run_documents

# What the commands must print, besides ending without an error.
PRINTED = {"README.md": [r'"accepted": ?1\b', r'"value": ?0\.003\b']}


@pytest.mark.process
def test_commands_run_on_a_fresh_installation() -> None:
    run_documents(PRINTED, demo=True)
