"""Triggers that hold what no role of the application may undo, also by SQL.

A customer link that ended must never open a page again: others may have it.
"""

CUSTOMER_LINKS = """
create function billing_guard_customer_link() returns trigger language plpgsql as $$
declare
    broken text;
begin
    broken := case
        when TG_OP = 'DELETE' then 'customer_link_is_kept'
        when OLD.revoked_at is not null
            and NEW.revoked_at is distinct from OLD.revoked_at
            then 'customer_link_revocation_is_final'
        when NEW.expires_at > OLD.expires_at then 'customer_link_expiry_never_later'
        -- Each attempt to send an email makes a new token, until the link is revoked.
        when OLD.revoked_at is not null
            and NEW.token_hash is distinct from OLD.token_hash
            then 'customer_link_token_is_fixed'
        when (NEW.id, NEW.organization_id, NEW.created_at)
            is distinct from (OLD.id, OLD.organization_id, OLD.created_at)
            then 'customer_link_identity_is_fixed'
        end;
    if broken is not null then
        raise exception 'a customer link that ended stays ended: %', broken
            using errcode = 'check_violation', constraint = broken;
    end if;
    return NEW;
end $$;
create trigger billing_guard_customer_link
    before update or delete on billing_customerlink
    for each row execute function billing_guard_customer_link();
"""
DROP_CUSTOMER_LINKS = """
drop trigger billing_guard_customer_link on billing_customerlink;
drop function billing_guard_customer_link();
"""
