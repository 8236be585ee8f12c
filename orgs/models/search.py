"""The search key of text: without case and accents, for stored and for sought text.

It is computed by one SQL function, which the migration creates. A second one, such as
Python's `lower`, would differ in some character, and an organization would not be found
by its own name.
"""

from typing import TYPE_CHECKING, Any

import pgtrigger
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import (
    CharField,
    F,
    Func,
    GeneratedField,
    Index,
    Lookup,
    Model,
    TextField,
    Value,
)
from django.db.models.functions import Concat, Trim

if TYPE_CHECKING:
    _Lookup = Lookup[str]
else:
    _Lookup = Lookup  # not generic when it runs


class SearchKey(Func):
    """The search key of an expression."""

    function = "orgs_search_key"
    arity = 1


def search_column(*names: str) -> GeneratedField:
    """Return a column of the search keys of several columns, separated by spaces.

    It is one column, so that one index answers a search over all of them.
    """
    parts = [part for name in names for part in (F(name), Value(" "))]
    text = Trim(Concat(*parts[:-1], output_field=TextField()))
    return GeneratedField(
        expression=SearchKey(text), output_field=TextField(), db_persist=True
    )


def search_index(name: str) -> GinIndex:
    """Return the trigram index of the column `search_text`."""
    return GinIndex(OpClass(F("search_text"), name="gin_trgm_ops"), name=name)


class SearchWord(Model):
    """A word of the names, email addresses and domains that can be searched for.

    Misspelled words are corrected to these. Triggers add them, and look before they
    add instead of relying on a unique index: two transactions that add the same word
    do not wait for each other, at the price of a word that is there twice.
    """

    word = CharField(max_length=40)

    class Meta:
        indexes = [
            # Words that begin with a text are compared by their bytes.
            Index(
                fields=["word"], name="search_word", opclasses=["varchar_pattern_ops"]
            ),
            GinIndex(
                OpClass(F("word"), name="gin_trgm_ops"), name="search_word_similar"
            ),
        ]

    def __str__(self) -> str:
        return self.word


def word_triggers(*names: str) -> list[pgtrigger.Trigger]:
    """Return the triggers that add the words of these columns to `SearchWord`.

    Inserts are read as a whole: a load of 10,000 rows is one statement.
    """
    text = ", ".join(f"new_rows.{name}" for name in names)
    return [
        pgtrigger.Trigger(
            name="added_words",
            level=pgtrigger.Statement,
            operation=pgtrigger.Insert,
            when=pgtrigger.After,
            referencing=_NEW_ROWS,
            func=_ADD_WORDS.format(text=text, source="from new_rows"),
        ),
        pgtrigger.Trigger(
            name="changed_words",
            operation=pgtrigger.Update,
            when=pgtrigger.After,
            condition=pgtrigger.AnyChange(*names),
            func=_ADD_WORDS.format(text=text.replace("new_rows.", "NEW."), source=""),
        ),
    ]


_NEW_ROWS = pgtrigger.Referencing(new="new_rows")  # type: ignore[no-untyped-call]
_ADD_WORDS = """
    insert into orgs_searchword (word)
    select distinct w.word
    from (select concat_ws(' ', {text}) as text {source}) t
    cross join lateral orgs_search_words(t.text) w(word)
    where not exists (select from orgs_searchword s where s.word = w.word)
    order by 1;
    RETURN NULL;
"""


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
