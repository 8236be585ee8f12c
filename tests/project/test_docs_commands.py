"""Every command of the README and of `docs/` runs on a fresh installation."""

import pytest

from tests.support.documents import DOCS_PRINTED, README_PRINTED
from tests.support.installation import run_documents


@pytest.mark.process
def test_commands_run_on_a_fresh_installation() -> None:
    run_documents(README_PRINTED | DOCS_PRINTED)
