"""The only function that deletes evidence: the retention of the security log.

The application may not delete rows of it. The function does so with the rights of the
owner, but never a row of the last 90 days.
"""

RETENTION = """
create function orgs_delete_security_events(before timestamptz, most integer)
returns integer language plpgsql security definer
set search_path = public, pg_temp as $$
declare
    deleted integer;
begin
    delete from orgs_securityevent where id in (
        select id from orgs_securityevent
        where at < least(before, now() - interval '90 days')
        order by id limit most);
    get diagnostics deleted = row_count;
    return deleted;
end $$;
"""
DROP_RETENTION = "drop function orgs_delete_security_events(timestamptz, integer);"
