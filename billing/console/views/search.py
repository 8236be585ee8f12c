"""The search over everything, as a page and as the command palette."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.urls import reverse

from billing.console.queries.search import BILLED, KINDS, Group, search
from billing.console.views import search_targets as targets
from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.errors import DomainError
from orgs.queries.search_statements import Kind, Match, Viewer
from orgs.queries.text_search import MAX_LENGTH, MIN_LENGTH
from orgs.web.http import OrgRequest, page_or_fragment
from orgs.web.recent import recent_ids

_PAGE = "billing/console/search.html"
_FRAGMENT = "billing/console/_search_results.html"
_TITLES = {
    Kind.ORGANIZATION: "Organizations",
    Kind.INVOICE: "Invoices",
    Kind.CUSTOMER: "Stripe customers",
    Kind.SUBSCRIPTION: "Subscriptions",
    Kind.MEMBER: "Members",
    Kind.PROJECT: "Projects",
    Kind.API_KEY: "API keys",
}
_URL_NAMES = {
    Kind.ORGANIZATION: "billing:overview",
    Kind.INVOICE: "billing:billing",
    Kind.CUSTOMER: "billing:billing",
    Kind.SUBSCRIPTION: "billing:billing",
    Kind.MEMBER: "orgs:people",
    Kind.PROJECT: "orgs:people",
}
_ACTED_ON = 3  # organizations that actions are offered for


@dataclass(frozen=True, slots=True)
class Entry:
    """A result: where it leads, its name, and a detail that identifies it.

    Django's admin is another document with its own styles, so it is not boosted.
    """

    url: str
    label: str
    detail: str = ""
    is_deleted: bool = False

    @property
    def is_boosted(self) -> bool:
        return not self.url.startswith(reverse("admin:index"))


@dataclass(frozen=True, slots=True)
class Section:
    """Results of a kind under their title; `slug` is the kind."""

    slug: str
    title: str
    entries: Sequence[Entry]
    more_url: str = ""


def search_page(request: OrgRequest) -> HttpResponse:
    """Show what a text finds: the page, or for the palette its results alone.

    Without a text, the organizations that were visited last and the pages are shown.
    """
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    text = _read_text(request)
    sections = (
        _results(request, principal, text)
        if len(text) >= MIN_LENGTH
        else _unsearched(request, principal)
    )
    context = {
        "nav_key": "search",
        "search": text,
        "sections": sections,
        "is_empty": not sections,
    }
    return page_or_fragment(request, _PAGE, _FRAGMENT, context)


def _read_text(request: OrgRequest) -> str:
    """Return the text that is searched for; raises `DomainError` for a bad one."""
    text = " ".join(request.GET.get("q", "").split())
    if "\x00" in text or len(text) > MAX_LENGTH:
        message = f"Search for at most {MAX_LENGTH} characters, without null bytes."
        raise DomainError(message, fields=("q",))
    return text


def _unsearched(request: OrgRequest, principal: Principal) -> list[Section]:
    pages = targets.list_pages(request.user, principal.scopes)
    return _filled(
        Section("recent", "Recent organizations", _recent(request, principal)),
        Section("page", "Pages", _page_entries(pages)),
    )


def _recent(request: OrgRequest, principal: Principal) -> list[Entry]:
    """Return the organizations visited last that the user may still see."""
    ids = recent_ids(request)
    rows = access.visible(principal).in_bulk(ids)
    return [
        Entry(
            reverse("billing:overview", args=[id_]),
            rows[id_].name,
            rows[id_].external_id,
            rows[id_].deleted_at is not None,
        )
        for id_ in ids
        if id_ in rows
    ]


def _results(request: OrgRequest, principal: Principal, text: str) -> list[Section]:
    groups = search(_viewer(principal), text, _kinds(request, principal))
    words = text.lower().split()
    pages = targets.list_pages(request.user, principal.scopes)
    actions = _action_entries(principal, groups, words)
    organizations = [g for g in groups if g.kind is Kind.ORGANIZATION]
    others = [g for g in groups if g.kind is not Kind.ORGANIZATION]
    return _filled(
        *(_section(group, text) for group in organizations),
        Section("action", "Actions", actions),
        *(_section(group, text) for group in others),
        Section("page", "Pages", _page_entries(targets.matching_pages(pages, words))),
    )


def _filled(*sections: Section) -> list[Section]:
    return [section for section in sections if section.entries]


def _viewer(principal: Principal) -> Viewer:
    """Return the rows that the access check lets a user see: all, one label's, none."""
    return Viewer(None if principal.sees_all else principal.white_label_id or 0)


def _kinds(request: OrgRequest, principal: Principal) -> list[Kind]:
    """Return the kinds that the user's role may see."""
    hidden = set() if Scope.BILLING_READ in principal.scopes else set(BILLED)
    if not request.user.has_perm("orgs.view_apikey"):
        hidden.add(Kind.API_KEY)
    return [kind for kind in KINDS if kind not in hidden]


def _section(group: Group, text: str) -> Section:
    return Section(
        group.kind.value,
        _TITLES[group.kind],
        [_entry(match) for match in group.matches],
        _more_url(text) if group.has_more and group.kind is Kind.ORGANIZATION else "",
    )


def _more_url(text: str) -> str:
    return reverse("billing:organization_list", query={"q": text})


def _entry(match: Match) -> Entry:
    is_owner = match.kind is Kind.ORGANIZATION
    owner = "" if is_owner else match.organization_name
    detail = " · ".join(part for part in (owner, match.detail) if part)
    return Entry(_url(match), match.label, detail, match.is_deleted)


def _url(match: Match) -> str:
    if match.kind is Kind.API_KEY:
        return f"{reverse('orgs:api_keys')}#key-{match.id}"
    path = reverse(_URL_NAMES[match.kind], args=[match.organization_id])
    is_row = match.kind not in {Kind.ORGANIZATION, Kind.CUSTOMER}
    return f"{path}#{match.kind}-{match.id}" if is_row else path


def _page_entries(pages: Sequence[targets.Page]) -> list[Entry]:
    return [Entry(page.url, page.label) for page in pages]


def _action_entries(
    principal: Principal, groups: Sequence[Group], words: Sequence[str]
) -> list[Entry]:
    """Return the actions that the words name, for the organizations they name.

    Words that name an action are left out of the search for the organization. A text
    that names no action has those that are needed most, for its first organization.
    """
    allowed = targets.list_actions(principal.scopes)
    actions, rest = targets.split_action(allowed, words)
    if actions and rest:
        named = search(_viewer(principal), " ".join(rest), [Kind.ORGANIZATION])
        owners = _organizations(named)[:_ACTED_ON]
    else:
        actions = targets.first_actions(allowed)
        owners = _organizations(groups)[:1]
    return [
        Entry(action.url(owner.id), action.text(owner.label), owner.detail)
        for owner in owners
        for action in actions[: targets.MAX_ACTIONS]
    ]


def _organizations(groups: Sequence[Group]) -> list[Match]:
    return [m for g in groups if g.kind is Kind.ORGANIZATION for m in g.matches]
