"""Pages and actions that the search offers, and the words that find them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.urls import reverse

from orgs.catalog import Scope
from orgs.models import User
from orgs.queries.spelling import one_error_away

_FILLERS = frozenset({"of", "to", "for", "the", "an", "in", "on"})
_MIN_CHARACTERS = 2  # of a word that is compared with those of pages and actions


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done with an organization: a page of it, or a form.

    `words` find it beside those of its label. `scope` is what the role needs.
    """

    label: str  # with `{}` for the name of the organization
    url_name: str
    words: str = ""
    scope: Scope = Scope.ORGANIZATIONS_READ
    arguments: tuple[str, ...] = ()
    fragment: str = ""

    def url(self, organization_id: int) -> str:
        """Return the address for an organization."""
        path = reverse(self.url_name, args=[organization_id, *self.arguments])
        return f"{path}{self.fragment}"

    def text(self, name: str) -> str:
        """Return the label with the name of an organization."""
        return self.label.format(name)


READ, WRITE = Scope.BILLING_READ, Scope.BILLING_WRITE
ACTIONS = (
    Action(
        "Raise limit of {}",
        "billing:alerts",
        "change set edit lower spending soft hard limits",
        WRITE,
        fragment="#limits",
    ),
    Action("Add credit to {}", "billing:credits", "grant give credits balance", WRITE),
    Action("Void usage of {}", "billing:void", "delete remove events", WRITE),
    Action(
        "Send payment link to {}",
        "billing:action_form",
        "pay unpaid overdue invoice",
        WRITE,
        arguments=("payment_link",),
    ),
    Action(
        "Start subscription of {}",
        "billing:action_form",
        "plan tier subscribe",
        WRITE,
        arguments=("start",),
    ),
    Action("Snooze alerts of {}", "billing:alerts", "pause emails recipients", WRITE),
    Action("Overview of {}", "billing:overview", "status limits entitlements"),
    Action("Usage of {}", "metrics:usage", "tokens requests compute storage"),
    Action("Costs of {}", "billing:costs", "spend chart products", READ),
    Action("Billing of {}", "billing:billing", "invoices subscription stripe", READ),
    Action("Periods of {}", "billing:periods", "reconciliation close bill", READ),
    Action("Alerts of {}", "billing:alerts", "limits emails", READ),
    Action("People of {}", "orgs:people", "members projects users"),
    Action("History of {}", "orgs:history", "changes audit log who"),
)
# Offered with an organization that was found by its name alone.
_FIRST_LABELS = ("Raise limit of {}", "Costs of {}", "Billing of {}", "Usage of {}")
MAX_ACTIONS = 3  # for each organization


@dataclass(frozen=True, slots=True)
class Page:
    """A page that belongs to no organization.

    It is offered to staff, or to a user with the permission, if one is given.
    """

    label: str
    url_name: str
    words: str = ""
    scope: Scope | None = None
    permission: str = ""
    is_for_staff: bool = False

    @property
    def url(self) -> str:
        return reverse(self.url_name)


PAGES = (
    Page("Overview", "billing:fleet", "fleet home costs needs action", READ),
    Page("Organizations", "billing:organization_list", "customers list"),
    Page("Usage without a price", "billing:unpriced", "unpriced rates prices", READ),
    Page("Alerts", "billing:fleet_alerts", "emails failed sent", READ),
    Page(
        *("Alert emails", "billing:alert_emails", "previews templates", WRITE),
        is_for_staff=True,
    ),
    Page("Stripe sync", "billing:stripe_sync", "runs jobs", READ),
    Page("Discrepancies", "billing:discrepancies", "stripe drift differences", READ),
    Page("Webhook events", "billing:webhook_events", "stripe received", READ),
    Page("Failed jobs", "billing:failed_jobs", "retry tasks stripe", READ),
    Page("History", "orgs:fleet_history", "changes audit log who"),
    Page("Exports", "billing:exports", "csv files downloads tables"),
    Page("API keys", "orgs:api_keys", "create token", permission="orgs.view_apikey"),
    Page("Roles", "roles", "permissions matrix access groups"),
    Page("API reference", "api_docs", "documentation openapi", is_for_staff=True),
    Page("Admin", "admin:index", "django rates users", is_for_staff=True),
)


def list_pages(user: User, scopes: frozenset[Scope]) -> list[Page]:
    """Return the pages that a user may open."""
    return [
        page
        for page in PAGES
        if (page.scope is None or page.scope in scopes)
        and (not page.permission or user.has_perm(page.permission))
        and (user.is_staff or not page.is_for_staff)
    ]


def list_actions(scopes: frozenset[Scope]) -> list[Action]:
    """Return the actions that a role may take."""
    return [action for action in ACTIONS if action.scope in scopes]


def first_actions(actions: Sequence[Action]) -> list[Action]:
    """Return the actions that are needed most, of those that are allowed."""
    return [action for action in actions if action.label in _FIRST_LABELS]


def matching_pages(pages: Sequence[Page], words: Sequence[str]) -> list[Page]:
    """Return the pages of which the label or the words have every word."""
    given = [word for word in words if word not in _FILLERS]
    return [page for page in pages if given and _has_all(page, given)]


def _has_all(page: Page, words: Sequence[str]) -> bool:
    known = _known(page.label, page.words)
    return all(_is_known(word, known) for word in words)


def split_action(
    actions: Sequence[Action], words: Sequence[str]
) -> tuple[list[Action], list[str]]:
    """Return the actions that the words name best, and the words that name none.

    The other words are the name of an organization: in "raise limit lumen" it is lumen.
    """
    named: list[tuple[int, Action]] = []
    used: set[str] = set()
    for action in actions:
        hits = [w for w in words if _is_known(w, _known(action.label, action.words))]
        in_label = [w for w in hits if _is_known(w, _known(action.label, ""))]
        if in_label:
            named.append((len(hits) + len(in_label), action))
            used.update(hits)
    best = max((score for score, _ in named), default=0)
    rest = [word for word in words if word not in used and word not in _FILLERS]
    return [action for score, action in named if score == best], rest


def _known(label: str, words: str) -> frozenset[str]:
    return frozenset(_split(label)) | frozenset(words.split())


def _split(label: str) -> Iterator[str]:
    for word in label.lower().replace("{}", "").split():
        if word not in _FILLERS:
            yield word


def _is_known(word: str, known: frozenset[str]) -> bool:
    """Return whether a word begins a known one, or is spelled almost like one."""
    if len(word) < _MIN_CHARACTERS:
        return False
    return any(w.startswith(word) for w in known) or bool(one_error_away(word) & known)
