"""Functions that create and drop a month of usage events, with the owner's rights.

The application's role does not own the events table, but a worker creates its months
ahead of time and drops old ones. The functions do no more than that: the name and the
bounds follow from the month, and no month is dropped that a retention may not drop.
"""

FUNCTIONS = """
create function metrics_create_month(month date) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    first date := date_trunc('month', month);
    name text := 'metrics_usageevent_' || to_char(first, 'YYYY_MM');
begin
    -- Creating and attaching is weaker than `create table … partition of`: that would
    -- lock the events table exclusively, and block all recording while it waits for
    -- recordings in flight.
    execute format('create table %I (like metrics_usageevent including all)', name);
    execute format(
        'alter table metrics_usageevent attach partition %I for values from (%L) to (%L)',
        name, first || ' 00:00+00', (first + interval '1 month')::date || ' 00:00+00');
end $$;

create function metrics_drop_month(name text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    ends_at timestamptz;
begin
    select substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']+)''\\)')
    into strict ends_at from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'metrics_usageevent'::regclass and c.relname = name;
    if ends_at > now() - interval '400 days' then
        raise exception 'the month % is too recent to be dropped', name
            using errcode = 'check_violation';
    end if;
    execute format('alter table metrics_usageevent detach partition %I', name);
    execute format('drop table %I', name);
end $$;
"""
DROP_FUNCTIONS = """
drop function metrics_drop_month(text);
drop function metrics_create_month(date);
"""
