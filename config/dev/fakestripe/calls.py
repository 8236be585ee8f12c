"""A call of the API: its parameters, its caller and its version."""

from dataclasses import dataclass

from config.dev.fakestripe.forms import Tree


@dataclass(frozen=True)
class Call:
    """`tree` holds the parameters of body or query, `expand` taken out."""

    method: str
    path: str
    tree: Tree
    ids: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    version: str = ""
    key: str | None = None
