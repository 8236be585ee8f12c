"""The history in sentences: one text for each change, by the model of its row.

Each app registers how the changes of its models are described (`describe`). A model
without a description is a programming error that a test finds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Model

from orgs.catalog import Scope
from orgs.models import ApiKey, Member, Organization, User, WhiteLabel
from orgs.queries.history import Change, HistoryFilters, Values, history_page, without
from orgs.web.templatetags import display

_LONG = 80  # characters of a text that is quoted in a sentence
# What is never described: keys, and counters that triggers keep.
_SILENT = frozenset({"id", "organization_id", "version", "updated_at"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What texts of an organization need: currency, time zone, and names by id."""

    currency: str = "usd"
    zone: str = "UTC"
    names: Mapping[tuple[str, int], str] = field(default_factory=dict)


Format = Callable[[Any, Facts], str]


def text(value: Any, facts: Facts) -> str:
    """Return a text; a long one is cut."""
    shown = str(value)
    return shown if len(shown) <= _LONG else f"{shown[:_LONG]}…"


def word(value: Any, facts: Facts) -> str:
    """Return a choice, such as `past_due`, as words."""
    return str(value).replace("_", " ")


def money(value: Any, facts: Facts) -> str:
    """Return an amount in the currency of the organization."""
    return display.money(value, facts.currency)


def instant(value: Any, facts: Facts) -> str:
    """Return an instant in the time zone of the organization."""
    return display.instant(value, facts.zone)


def day(value: Any, facts: Facts) -> str:
    """Return a date."""
    return display.day_year(value)


def number(value: Any, facts: Facts) -> str:
    """Return a number with all its digits."""
    return display.count(value)


def size(value: Any, facts: Facts) -> str:
    """Return a number of bytes in the unit that people use."""
    return display.byte_size(value)


def hours(value: Any, facts: Facts) -> str:
    """Return seconds in hours."""
    return display.duration(value)


def items(value: Any, facts: Facts) -> str:
    """Return a list."""
    return ", ".join(map(str, value))


def unit(name: str) -> Format:
    """Return the format of a number with its unit."""
    return lambda value, facts: f"{display.count(value)} {name}"


def name_of(label: str) -> Format:
    """Return the format of a foreign key: the name of its row."""
    return lambda value, facts: facts.names.get((label, value), f"#{value}")


@dataclass(frozen=True, slots=True)
class Field:
    """How the change of a column is described.

    `label` names the column; empty, it is what the sentence is about. An amount is
    raised or lowered. `phrases` replace the values: that of a value that is set or
    true, and that of an empty or false one.
    """

    label: str = ""
    format: Format = text
    is_amount: bool = False
    phrases: tuple[str, str] | None = None
    is_hidden: bool = False  # only that it changed is said


@dataclass(frozen=True, slots=True)
class Description:
    """How the changes of a model are described, and who may read them.

    `subject` names the row; `begins` says that it begins the sentence about each
    column. `noise` are columns that alone make no change worth reading.
    """

    kind: str
    subject: Callable[[Values, Facts], str]
    fields: Mapping[str, Field]
    noise: frozenset[str] = frozenset()
    begins: bool = True
    added: Callable[[Values, Facts], str] | None = None
    removed: Callable[[Values, Facts], str] | None = None
    scope: Scope = Scope.ORGANIZATIONS_READ
    permission: str = ""
    references: Mapping[str, str] = field(default_factory=dict)  # column: model label

    @property
    def described(self) -> set[str]:
        """The columns that have a text, are noise, or are silent."""
        return {*self.fields, *self.noise, *_SILENT}


DESCRIPTIONS: dict[str, Description] = {}


def describe(label: str, description: Description) -> None:
    """Register how the changes of a model are described."""
    DESCRIPTIONS[label] = description


def noise() -> dict[str, frozenset[str]]:
    """Return the columns of each model that alone make no change worth reading."""
    return {label: d.noise | _SILENT for label, d in DESCRIPTIONS.items()}


def kinds() -> list[str]:
    """Return the kinds of changes, in alphabetical order."""
    return sorted({d.kind for d in DESCRIPTIONS.values()})


def sentence(change: Change, facts: Facts, *, with_noise: bool = False) -> str:
    """Return what a change did, as a sentence without its author and reason."""
    description = DESCRIPTIONS.get(change.label)
    if description is None:
        return _capital(f"{change.model} {change.verb}")
    subject = description.subject(change.after, facts)
    if change.verb in {"added", "recorded"}:
        return _capital(
            description.added(change.after, facts)
            if description.added
            else f"{subject} added"
        )
    if change.verb == "removed":
        return _capital(
            description.removed(change.after, facts)
            if description.removed
            else f"{subject} removed"
        )
    shown = change if with_noise else without(change, description.noise)
    return _capital(_changes(description, subject, shown, facts))


def _changes(
    description: Description, subject: str, change: Change, facts: Facts
) -> str:
    phrases, parts = [], []
    for name in change.changed:
        if name in _SILENT:
            continue
        column = description.fields.get(name) or Field(name.replace("_", " "))
        before, after = change.before[name], change.after[name]
        if column.phrases:
            phrases.append(_phrase(column, after, facts))
        else:
            parts.append(_part(column, before, after, facts))
    return _join(description, subject, phrases, parts)


def _join(
    description: Description, subject: str, phrases: Sequence[str], parts: Sequence[str]
) -> str:
    about = [f"{subject} {' and '.join(phrases)}"] if phrases else []
    if not parts:
        return about[0] if about else f"{subject} changed"
    details = "; ".join(part.lstrip() for part in parts)
    if parts[0].startswith(" "):  # the subject itself was raised or lowered
        return "; ".join([*about, f"{subject}{parts[0]}", *parts[1:]])
    if description.begins:
        return f"{'; '.join(about) or subject}: {details}"
    return "; ".join([*about, details])


def _phrase(column: Field, after: Any, facts: Facts) -> str:
    assert column.phrases is not None  # noqa: S101  the caller checked it
    is_set = after not in (None, "", False)
    phrase = column.phrases[0 if is_set else 1]
    return phrase.format(column.format(after, facts) if is_set else "")


def _part(column: Field, before: Any, after: Any, facts: Facts) -> str:
    label = column.label
    if column.is_hidden:
        return f"{label} changed"
    if _is_empty(before):
        return f"{label} set to {column.format(after, facts)}"
    old = column.format(before, facts)
    if _is_empty(after):
        return f"{label} removed (was {old})"
    verb = "changed"
    if column.is_amount:
        verb = "raised" if after > before else "lowered"
    return f"{label} {verb} from {old} to {column.format(after, facts)}"


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change. `slug` filters by them; empty if that is not possible."""

    name: str
    kind: str  # person, api_key, stripe, recipient, task, command, or system
    slug: str = ""


_TONES = {"failed": "bad", "pending": "warn", "running": "warn"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A change as a line of the history."""

    change: Change
    text: str
    actor: Actor
    reason: str
    organization: Organization | None
    zone: str
    kind: str

    @property
    def at(self) -> Any:
        return self.change.at

    @property
    def request_id(self) -> str:
        return self.change.request_id

    @property
    def tone(self) -> str:
        """`bad` for work that failed, `warn` for what is not done yet, else empty."""
        return _TONES.get(str(self.change.after.get("state") or ""), "")


def entries(changes: Sequence[Change], *, with_noise: bool = False) -> list[Entry]:
    """Return the lines of changes; the number of statements does not grow with them."""
    organizations = _organizations(changes)
    labels = WhiteLabel.objects.in_bulk(_ids(changes, "white_label_id"))
    names = _names(changes)
    people, keys = _people(changes), _keys(changes)
    lines = []
    for change in changes:
        organization = organizations.get(change.organization_id or 0)
        label = (
            organization.white_label
            if organization
            else labels.get(change.after.get("white_label_id") or 0)
        )
        facts = Facts(
            label.currency if label else _own_currency(change),
            label.time_zone if label else "UTC",
            names,
        )
        description = DESCRIPTIONS.get(change.label)
        lines.append(
            Entry(
                change,
                sentence(change, facts, with_noise=with_noise),
                _actor(change, people, keys),
                change.reason,
                organization,
                facts.zone,
                description.kind if description else "",
            )
        )
    return lines


def _own_currency(change: Change) -> str:
    """Return the currency that a row itself has, such as a white label."""
    return str(change.after.get("currency") or "usd")


def last_entry(organization_id: int, labels: Collection[str]) -> Entry | None:
    """Return the newest change of an organization's rows of these models."""
    filters = HistoryFilters(
        organization_id=organization_id, labels=labels, noise=noise()
    )
    lines = entries(history_page(filters, size=1, scope="").changes)
    return lines[0] if lines else None


def last_white_label_entry(white_label_id: int) -> Entry | None:
    """Return the newest change of a white label itself."""
    filters = HistoryFilters(
        white_label_id=white_label_id, labels=["orgs.WhiteLabel"], noise=noise()
    )
    lines = entries(history_page(filters, size=1, scope="").changes)
    return lines[0] if lines else None


def _ids(changes: Sequence[Change], column: str) -> set[int]:
    return {c.after[column] for c in changes if c.after.get(column)}


def _organizations(changes: Sequence[Change]) -> dict[int, Organization]:
    ids = {c.organization_id for c in changes if c.organization_id}
    return Organization.objects.select_related("white_label").in_bulk(ids)


def _names(changes: Sequence[Change]) -> dict[tuple[str, int], str]:
    """Return the names of the rows that changes refer to, by model and id."""
    names: dict[tuple[str, int], str] = {}
    models: dict[str, tuple[type[Model], set[int]]] = {
        "auth.Group": (Group, set()),
        "auth.Permission": (Permission, set()),
        "orgs.Member": (Member, set()),
        "orgs.Organization": (Organization, set()),
        "orgs.User": (User, set()),
        "orgs.WhiteLabel": (WhiteLabel, set()),
        "orgs.ApiKey": (ApiKey, set()),
    }
    for change in changes:
        description = DESCRIPTIONS.get(change.label)
        for column, label in description.references.items() if description else ():
            for values in (change.before, change.after):
                if values.get(column):
                    models[label][1].add(values[column])
    for label, (model, ids) in models.items():
        if ids:
            queryset = model._default_manager.all()
            if model is Permission:  # its name begins with that of its type
                queryset = queryset.select_related("content_type")
            rows = queryset.in_bulk(ids)
            names |= {(label, id_): str(row) for id_, row in rows.items()}
    return names


def _people(changes: Sequence[Change]) -> dict[str, str]:
    """Return the full names of users by user name."""
    usernames = {change.user for change in changes if change.user}
    users = User.objects.filter(username__in=usernames)
    return {user.username: user.get_full_name() for user in users}


def _keys(changes: Sequence[Change]) -> dict[str, ApiKey]:
    ids = {str(c.metadata["api_key"]) for c in changes if c.metadata.get("api_key")}
    return {str(key.pk): key for key in ApiKey.objects.filter(pk__in=ids)}


def _actor(
    change: Change, people: Mapping[str, str], keys: Mapping[str, ApiKey]
) -> Actor:
    metadata = change.metadata
    if id_ := str(metadata.get("api_key") or ""):
        key = keys.get(id_)
        name = str(key or metadata.get("api_key_name") or "")
        return Actor(f"API key {name}".strip(), "api_key", f"key:{id_}")
    if change.user == "Stripe":
        return Actor("Stripe", "stripe", "Stripe")
    if change.user:
        return Actor(people.get(change.user) or change.user, "person", change.user)
    if recipient := metadata.get("recipient"):
        return Actor(f"{recipient} (link in an email)", "recipient")
    return _system(metadata)


def _system(metadata: Mapping[str, Any]) -> Actor:
    if task := metadata.get("task"):
        return Actor(f"System ({_task(task, metadata)})", "task", "system")
    if command := metadata.get("command"):
        return Actor(f"System (command {command})", "command", "system")
    return Actor("System", "system", "system")


def _task(task: str, metadata: Mapping[str, Any]) -> str:
    """Return the name of a task without its module, and who asked for it, if known."""
    asker = metadata.get("asked_by")
    name = f"task {task.rpartition('.')[2]}"
    return f"{name}, asked for by {asker}" if asker else name


def resolve_actor(typed: str) -> dict[str, Any]:
    """Return the filter for an actor: a user name, a full name, a key, or `system`."""
    typed = typed.strip()
    if not typed:
        return {}
    if typed.lower() == "system":
        return {"system": ""}
    if typed.startswith("key:"):
        return {"api_key": typed.removeprefix("key:")}
    return {"username": sorted({typed.lower(), *_named(typed)})}


def _named(typed: str) -> Collection[str]:
    """Return the user names of people with this full name."""
    first, _, last = typed.partition(" ")
    if not last:
        return ()
    users = User.objects.filter(first_name__iexact=first, last_name__iexact=last)
    return [name.lower() for name in users.values_list("username", flat=True)[:20]]
