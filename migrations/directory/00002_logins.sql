-- +goose Up
-- Passwords of users who log in here, as argon2id hashes in the PHC string format. They are no columns of users: whoever may
-- see a user would see its hash.
create table rowpass.passwords (
  user_id uuid primary key references public.users (id) on delete cascade on update cascade,
  hash text not null check (length(hash) between 1 and 512),
  changed_at timestamptz not null default now()
);
revoke all on rowpass.passwords from public;

-- find_passwords is how a login is looked up. It returns two at most, since the second only says that the first is not the
-- only one. Users without a password don't count: else a tenant's admin could lock others out by adding their addresses. Nor can
-- it give such an address to somebody who has one: see auth.forget_password.
-- +goose StatementBegin
create function rowpass.find_passwords(address text, tenant uuid) returns table (user_id uuid, tenant_id uuid, hash text, changed_at timestamptz)
  language sql stable security definer
  begin atomic
    select passwords.user_id, users.tenant_id, passwords.hash, passwords.changed_at
    from public.users join rowpass.passwords on passwords.user_id = users.id
    where lower(users.email) = lower(address) and (tenant is null or users.tenant_id = tenant)
    limit 2;
  end;
-- +goose StatementEnd

-- end_user denies the tokens of a user who is removed, or whom the owner gives another id or tenant, and ends its sessions. A
-- minute is added, for a transaction that ends later than the trigger runs and for instances whose clocks are ahead.
-- It runs as the owner under the caller's search_path, like the guards of 00001.
-- +goose StatementBegin
create function auth.end_user() returns trigger
  language plpgsql security definer
as $$
declare
  until_now pg_catalog.timestamptz := pg_catalog.clock_timestamp() operator(pg_catalog.+) '1 minute'::pg_catalog.interval;
begin
  if tg_op operator(pg_catalog.=) 'TRUNCATE' then
    perform rowpass.deny('sub', users.id::pg_catalog.text, until_now, null, 'the user was removed') from public.users;
  elsif tg_op operator(pg_catalog.=) 'DELETE' then
    perform rowpass.deny('sub', old.id::pg_catalog.text, until_now, null, 'the user was removed');
  else
    perform rowpass.deny('sub', old.id::pg_catalog.text, until_now, null, 'the user was moved');
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- forget_password takes the password of a user whose e-mail address is changed, and ends its sessions as end_user does: a
-- password was given for the address that it was given with. Else a tenant's admin could give somebody who has one, itself for
-- instance, the address of another tenant's user, who could then not log in without naming the tenant; and by whether its own
-- log-in still works it would learn who exists elsewhere.
-- +goose StatementBegin
create function auth.forget_password() returns trigger
  language plpgsql security definer
as $$
begin
  delete from rowpass.passwords where user_id operator(pg_catalog.=) new.id;
  perform rowpass.deny('sub', new.id::pg_catalog.text,
    pg_catalog.clock_timestamp() operator(pg_catalog.+) '1 minute'::pg_catalog.interval, null, 'the e-mail address was changed');
  return null;
end
$$;
-- +goose StatementEnd
revoke all on function rowpass.find_passwords(text, uuid), auth.end_user(), auth.forget_password() from public;

create trigger end_user after delete on public.users
  for each row execute function auth.end_user();
create trigger end_moved_user after update of id, tenant_id on public.users
  for each row when (old.id <> new.id or old.tenant_id <> new.tenant_id) execute function auth.end_user();
create trigger forget_password after update of email on public.users
  for each row when (old.email <> new.email) execute function auth.forget_password();
create trigger end_all_users before truncate on public.users
  for each statement execute function auth.end_user();

-- +goose Down
drop trigger end_all_users on public.users;
drop trigger end_moved_user on public.users;
drop trigger end_user on public.users;
drop trigger forget_password on public.users;
drop function auth.forget_password();
drop function auth.end_user();
drop function rowpass.find_passwords(text, uuid);
drop table rowpass.passwords;
