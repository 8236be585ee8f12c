"""Every command of `docs/` runs on a fresh installation without the demo."""

import pytest

from tests.support.documents import DOCS_PRINTED
from tests.support.installation import run_documents


@pytest.mark.process
def test_commands_run_on_a_fresh_installation() -> None:
    run_documents(DOCS_PRINTED, demo=False)
