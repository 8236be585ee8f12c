"""Every command of the README runs on a fresh installation with the demo."""

import pytest

from tests.support.documents import README_PRINTED
from tests.support.installation import run_documents


@pytest.mark.process
def test_commands_run_on_a_fresh_installation() -> None:
    run_documents(README_PRINTED, demo=True)
