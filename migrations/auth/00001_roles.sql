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
      execute format('create role %I nologin noinherit', caller);
    exception when duplicate_object or unique_violation then
      null;
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
