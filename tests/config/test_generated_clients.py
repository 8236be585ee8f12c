"""Clients that are generated from the OpenAPI document, over a real socket."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from config.openapi.document import document
from orgs.catalog import Scope
from orgs.models import Organization
from tests.factories import make_key, make_organization, make_rate, make_white_label

pytestmark = [pytest.mark.slow, pytest.mark.process]
GENERATOR = Path(sys.executable).parent / "openapi-python-client"
NAME = "orgdesk_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Generate the client for Python; return what the generator printed."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "openapi.json").write_text(json.dumps(document()))
    (folder / "settings.yaml").write_text("post_hooks: []\n")  # ruff is slower than all
    answer = subprocess.run(
        [GENERATOR, "generate", "--path=openapi.json", f"--output-path={NAME}",
         "--meta=none", "--config=settings.yaml"],
        check=True, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    sys.path.insert(0, str(folder))
    yield answer.stdout + answer.stderr
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


@pytest.fixture
def org(committed: None) -> Organization:
    white_label = make_white_label("acme")
    make_rate(white_label, "0.5")
    return make_organization(white_label, "org-7")


@pytest.fixture
def client(generated: str, org: Organization, live_server: LiveServer) -> Iterator[Any]:
    key = make_key(org.white_label, *Scope)
    module = importlib.import_module(f"{NAME}.client")
    with module.AuthenticatedClient(base_url=live_server.url, token=key) as client:
        yield client


def call(operation: str, **arguments: Any) -> Any:
    """Call an operation of the generated client by its operation ID."""
    module = importlib.import_module(f"{NAME}.api.{_tags()[operation]}.{operation}")
    return module.sync(**arguments)


@cache
def _tags() -> dict[str, str]:
    return {
        operation["operationId"]: operation["tags"][0].replace(" ", "_")
        for methods in document()["paths"].values()
        for operation in methods.values()
    }


def model(class_name: str, /, **fields: Any) -> Any:
    models = importlib.import_module(f"{NAME}.models")
    return getattr(models, class_name).from_dict(fields)


def test_the_generator_has_no_warning(generated: str) -> None:
    assert "warn" not in generated.lower()
    assert "error" not in generated.lower()


def test_the_client_makes_the_main_calls(client: Any, org: Organization) -> None:
    event = model(
        "UsageEventIn",
        id="e-1",
        organization="org-7",
        timestamp=timezone.now().isoformat(),
        product="gpt",
        quantities={"requests": 5},
    )
    new = model("OrganizationIn", external_id="org-8", name="Eight")
    change = model("OrganizationChangeIn", name="Seven")
    of = {"client": client, "organization_id": str(org.pk)}

    created = call("create_organization", client=client, body=new)
    recorded = call("record_usage", client=client, body=[event])
    listed = call("list_organizations", client=client, external_id="org-7")
    member = call("add_member", **of, body=model("MemberIn", external_id="u"))
    changed = call("update_organization", **of, body=change)
    usage = call("get_usage", **of)
    overview = call("get_cost_overview", **of)
    chart = call("get_cost_chart", **of)
    access = call("get_access", **of)
    forecast = call("get_forecast", **of)
    rates = call("list_rates", client=client)
    file = call("export_costs", **of)
    missing = call("get_organization", client=client, organization_id="0")

    assert created.external_id == "org-8"
    assert (recorded.accepted, recorded.rejected) == (1, [])
    assert [row.id for row in listed.organizations] == [org.pk]
    assert (member.external_id, changed.name) == ("u", "Seven")
    assert usage.data[-1].values[0].quantity == 5
    assert overview.costs.total == chart.data[-1].values[0].value == 2.5
    assert access.allowed
    assert forecast.usage.to_date == 2.5
    assert rates.rates[0].unit_price == 0.5
    assert "gpt,2.5" in file
    assert missing.errors[0].code == "organization.not_found"
