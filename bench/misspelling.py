"""Misspelled names: one error each, of the kinds that people make when they type."""

_NEIGHBORS = {
    key: row[max(0, i - 1) : i] + row[i + 1 : i + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    for i, key in enumerate(row)
}


def misspell(name: str, number: int) -> str:
    """Return the name with one error, which depends only on the number.

    Two characters are swapped, one is left out, one is doubled, or one is replaced by
    its neighbor on the keyboard.
    """
    kind, at = number % 4, (number * 7919) % (len(name) - 1)
    if kind == 0:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    if kind == 1:
        return name[:at] + name[at + 1 :]
    if kind == 2:  # noqa: PLR2004
        return name[: at + 1] + name[at:]
    neighbors = _NEIGHBORS.get(name[at].lower(), "x")
    return name[:at] + neighbors[number % len(neighbors)] + name[at + 1 :]
