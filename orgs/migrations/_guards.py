"""Triggers that hold what no role of the application may undo, also by SQL.

They are plain triggers: those of django-pgtrigger can be ignored by a setting that every
role may set. Each refusal is a check violation with the name of a constraint.
"""

# An API key that ended must never live again: its text may be known to others.
API_KEYS = """
create function orgs_guard_api_key() returns trigger language plpgsql as $$
declare
    broken text;
begin
    broken := case
        when TG_OP = 'DELETE' then 'api_key_is_kept'
        when OLD.revoked_at is not null
            and NEW.revoked_at is distinct from OLD.revoked_at
            then 'api_key_revocation_is_final'
        when OLD.expires_at is not null
            and (NEW.expires_at is null or NEW.expires_at > OLD.expires_at)
            then 'api_key_expiry_never_later'
        when not NEW.scopes <@ OLD.scopes then 'api_key_scopes_never_wider'
        when (NEW.id, NEW.key_hash, NEW.start, NEW.white_label_id, NEW.organization_id,
                NEW.replaces_id, NEW.created_at)
            is distinct from
            (OLD.id, OLD.key_hash, OLD.start, OLD.white_label_id, OLD.organization_id,
                OLD.replaces_id, OLD.created_at)
            then 'api_key_identity_is_fixed'
        end;
    if broken is not null then
        raise exception 'an API key that ended stays ended: %', broken
            using errcode = 'check_violation', constraint = broken;
    end if;
    return NEW;
end $$;
create trigger orgs_guard_api_key before update or delete on orgs_apikey
    for each row execute function orgs_guard_api_key();
"""
DROP_API_KEYS = """
drop trigger orgs_guard_api_key on orgs_apikey;
drop function orgs_guard_api_key();
"""

# Somebody must be able to manage accounts. The lock makes two who remove each other wait;
# the second one then sees what the first one committed.
SUPERUSERS = """
create function orgs_guard_superusers() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('orgs_guard_superusers'));
    if not exists (select from orgs_user
            where is_superuser and is_active and is_staff) then
        raise exception
                'the last active superuser is kept (user_last_superuser)'
            using errcode = 'check_violation', constraint = 'user_last_superuser';
    end if;
    return null;
end $$;
create trigger orgs_guard_superuser_change after update on orgs_user
    for each row
    when (OLD.is_superuser and OLD.is_active and OLD.is_staff
        and not (NEW.is_superuser and NEW.is_active and NEW.is_staff))
    execute function orgs_guard_superusers();
create trigger orgs_guard_superuser_removal after delete on orgs_user
    for each row when (OLD.is_superuser and OLD.is_active and OLD.is_staff)
    execute function orgs_guard_superusers();
"""
DROP_SUPERUSERS = """
drop trigger orgs_guard_superuser_removal on orgs_user;
drop trigger orgs_guard_superuser_change on orgs_user;
drop function orgs_guard_superusers();
"""

# Sessions and login tokens are bound to the login version. It never counts down, not even
# when a row that was read earlier is saved as a whole; and those of an account that was
# disabled end for good, also if it is enabled again.
LOGINS = """
create function orgs_guard_logins() returns trigger language plpgsql as $$
begin
    NEW.login_version := greatest(NEW.login_version, OLD.login_version
        + (OLD.is_active and not NEW.is_active)::int);
    return NEW;
end $$;
create trigger orgs_guard_logins before update on orgs_user
    for each row when (NEW.login_version < OLD.login_version
        or (OLD.is_active and not NEW.is_active))
    execute function orgs_guard_logins();
"""
DROP_LOGINS = """
drop trigger orgs_guard_logins on orgs_user;
drop function orgs_guard_logins();
"""
