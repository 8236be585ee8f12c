"""The search key of text: without case and accents, for stored and for sought text.

It is computed by one SQL function, which the migration creates. A second one, such as
Python's `lower`, would differ in some character, and an organization would not be found
by its own name.
"""

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Func, Lookup, TextField

if TYPE_CHECKING:
    _Lookup = Lookup[str]
else:
    _Lookup = Lookup  # not generic when it runs


class SearchKey(Func):
    """The search key of an expression."""

    function = "orgs_search_key"
    arity = 1


class _PatternLookup(_Lookup):
    prepare_rhs = False
    template = ""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_parameters = self.process_lhs(compiler, connection)
        right, right_parameters = self.process_rhs(compiler, connection)
        return self.template % (left, right), (*left_parameters, *right_parameters)


@TextField.register_lookup
class KeyContains(_PatternLookup):
    """`key_contains`: a column of search keys contains the key of a text."""

    lookup_name = "key_contains"
    template = "%s like orgs_search_pattern(%s)"


@CharField.register_lookup
class TextContains(_PatternLookup):
    """`text_contains`: the search key of a column contains that of a text.

    No index is used.
    """

    lookup_name = "text_contains"
    template = "orgs_search_key(%s) like orgs_search_pattern(%s)"
