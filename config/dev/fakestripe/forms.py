"""Form-encoded bodies with brackets, `items[0][price]=…`, as nested dicts of text."""

from typing import Union
from urllib.parse import parse_qsl

from config.dev.fakestripe.errors import ApiError

# A list is a dict by index: only the reader of a parameter knows which it should be.
Tree = dict[str, Union[str, "Tree"]]

_DEEPEST = 8


def parse(text: str) -> Tree:
    """`a[b][]=1` is {"a": {"b": {"0": "1"}}}; a name both text and dict is a 400."""
    tree: Tree = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _put(tree, _parts(name), value, name)
    return tree


def _parts(name: str) -> list[str]:
    head, *rest = name.split("[", _DEEPEST)
    if any(not part.endswith("]") for part in rest):
        raise ApiError(400, f"Invalid request: bad brackets in {name!r}", saved=False)
    return [head, *(part[:-1] for part in rest)]


def _put(tree: Tree, parts: list[str], value: str, name: str) -> None:
    for part in parts[:-1]:
        inner = tree.setdefault(_key(tree, part), {})
        if not isinstance(inner, dict):
            raise _mixed(name)
        tree = inner
    key = _key(tree, parts[-1])
    if isinstance(tree.get(key), dict):
        raise _mixed(name)
    tree[key] = value


def _key(tree: Tree, part: str) -> str:
    return part or str(len(tree))


def _mixed(name: str) -> ApiError:
    return ApiError(400, f"Invalid object: {name}", param=name, saved=False)


def flat(tree: Tree, prefix: str = "") -> list[tuple[str, str]]:
    """Names and values again, sorted: what two calls are compared by."""
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{prefix}[{key}]" if prefix else key
        pairs += flat(value, name) if isinstance(value, dict) else [(name, value)]
    return sorted(pairs)
