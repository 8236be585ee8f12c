"""The links of pages lead no person to a page that their role does not open."""

import re
from collections import deque

import pytest
from django.test import Client

from config.roles import ROLES
from orgs.catalog import Scope
from orgs.models import Organization, User
from tests.factories import event, make_key, make_rate, make_user, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
_LINK = re.compile(r'<a\b[^>]*?\bhref="([^"#]+)')
_SKIPPED = ("/static/", "/accounts/logout", "/api/", "http", "mailto:")
# Pages that differ only in these are one page.
_NUMBER = re.compile(r"\d+")
_MOST = 200  # pages of a person; more would be a crawl without an end


def links_of(html: str) -> set[str]:
    """Return the paths that the links of a page lead to."""
    hrefs = (href.replace("&amp;", "&") for href in _LINK.findall(html))
    return {href for href in hrefs if not href.startswith((*_SKIPPED, "?"))}


def crawl(client: Client, start: str) -> dict[str, tuple[int, str]]:
    """Return the status of each page that links lead to, and the page with the link."""
    waiting = deque([(start, "")])
    seen: dict[str, tuple[int, str]] = {}
    kinds: set[str] = set()
    while waiting and len(seen) < _MOST:
        path, origin = waiting.popleft()
        kind = _NUMBER.sub("1", path.partition("?")[0])
        if kind in kinds:
            continue
        kinds.add(kind)
        answer = client.get(path)
        seen[path] = (answer.status_code, origin)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            waiting += [(link, path) for link in sorted(links_of(answer.text))]
    return seen


@pytest.mark.parametrize(
    ("role", "is_staff"), [*((role, True) for role in ROLES), ("finance", False)]
)
def test_no_link_leads_to_a_refusal(
    role: str, is_staff: bool, org: Organization
) -> None:
    make_rate(org.white_label, "2")
    unpriced = event("e-2", organization="org-7", product="unpriced")
    record(org.white_label, [event("e-1", organization="org-7"), unpriced])
    make_key(org.white_label, Scope.BILLING_READ)
    label = org.white_label
    person = make_user("person", role, white_label=label, is_staff=is_staff)
    client = Client()
    client.force_login(User.objects.get(pk=person.pk))

    seen = crawl(client, "/")

    refused = {path: result for path, result in seen.items() if result[0] >= 400}
    assert refused == {}
    assert 70 < len(seen) < _MOST
    assert is_staff or not any(path.startswith("/admin/") for path in seen)
    price = next((path for path in seen if "/prices/new/" in path), "")
    assert ("product=unpriced" in price) is (role in {"finance", "operator"})
    assert not price or 'value="unpriced"' in client.get(price).text
