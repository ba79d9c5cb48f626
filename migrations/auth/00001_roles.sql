-- +goose Up
-- The two roles that callers become. They hold the grants on tables, cannot log in, and are made here only
-- where no other database of the cluster has made them already.
-- +goose StatementBegin
do $$
declare
  caller text;
begin
  foreach caller in array array['authenticated', 'anonymous'] loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = caller) then
        execute format('create role %I nologin noinherit', caller);
      end if;
    exception
      when duplicate_object or unique_violation then
        null; -- another database's migration was faster
      when insufficient_privilege then
        raise exception using errcode = '42501', message = format('the owner may not make roles; let a superuser run: '
          'create role authenticated nologin noinherit; create role anonymous nologin noinherit; '
          'grant authenticated, anonymous to %I with admin option', current_user);
    end;
  end loop;
end
$$;
-- +goose StatementEnd

create schema if not exists auth;
revoke all on schema auth from public;
grant usage on schema auth, public to authenticated, anonymous;

-- Temporary objects come first in every search path, so nobody but the owner may make any.
-- +goose StatementBegin
do $$
begin
  execute format('revoke temporary on database %I from public', current_database());
end
$$;
-- +goose StatementEnd

-- Tables that the owner makes later are open to callers as today's are, and policies decide about their rows.
-- Only in schema public: whatever stands elsewhere is granted by name or not at all.
alter default privileges in schema public grant select, insert, update, delete on tables to authenticated, anonymous;

-- +goose Down
alter default privileges in schema public revoke select, insert, update, delete on tables from authenticated, anonymous;
revoke usage on schema auth, public from authenticated, anonymous;
drop schema auth;
