"""Every history row that a request of a test writes must name who wrote it."""

import pytest
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from psycopg.pq import TransactionStatus

from config.middleware import HistoryMiddleware

_FORGET = """
select set_config('pghistory.context_id', '', true),
    set_config('pghistory.context_metadata', '', true)
"""
# As `config.postgresql.roles` has it, but it refuses a row of a request (whose context
# has its path) that names no person, key, or other author.
_STRICT_CONTEXT = """
create or replace function _pgh_attach_context() returns pghistory_context.id%type
language plpgsql set search_path = public, pg_temp as $$
declare
    sent text := current_setting('pghistory.context_metadata', true);
    context_id uuid;
begin
    if coalesce(sent, '') = ''
            or coalesce(current_setting('pghistory.context_id', true), '') = '' then
        return null;
    end if;
    if sent::jsonb ? 'url' and coalesce(sent::jsonb ->> 'username',
            sent::jsonb ->> 'api_key', sent::jsonb ->> 'recipient',
            sent::jsonb ->> 'task', sent::jsonb ->> 'command', '') = '' then
        raise exception 'A history row without an actor: %', sent;
    end if;
    context_id := md5(current_setting('pghistory.context_id') || sent)::uuid;
    insert into pghistory_context (id, metadata, created_at, updated_at)
        values (context_id, sent::jsonb, now(), now()) on conflict (id) do nothing;
    return context_id;
end $$;
"""


def require_actors() -> None:
    """Refuse in the database of the tests what no page could attribute to anybody."""
    with connection.cursor() as cursor:
        cursor.execute(_STRICT_CONTEXT)


def forget_authors_after_requests(patch: pytest.MonkeyPatch) -> None:
    """Take the author from the connection when a request has ended.

    In production the transaction of the request ends with it. In a test it goes on,
    and what the test writes next would seem to come from the same author.
    """
    answer = HistoryMiddleware.__call__

    def answer_and_forget(
        self: HistoryMiddleware, request: HttpRequest
    ) -> HttpResponseBase:
        response = answer(self, request)
        _forget()
        return response

    patch.setattr(HistoryMiddleware, "__call__", answer_and_forget)


def _forget() -> None:
    # Beside Django, so that no test counts the statement.
    session = connection.connection
    is_usable = session and session.info.transaction_status == TransactionStatus.INTRANS
    if is_usable:
        session.execute(_FORGET)
