-- +goose Up
-- session returns the claims of the current transaction after checking that rowpass sealed them: JSON null where
-- there are none, SQLSTATE 28000 where the seal is missing, wrong or out of date.
--
-- It runs as the owner under the caller's search_path and settings. So every function, operator and type is
-- schema-qualified, no construct with a hidden operator is used (NULLIF, IN, BETWEEN, LIKE, CASE x WHEN, IS DISTINCT
-- FROM), there is no backslash, and the key stays a column of the one query. A SET clause would do some of this for
-- more than the HMAC costs.
--
-- The seal is 'v1.<expires>.' and then the MAC, in 64 hex digits, over that beginning and the claims: so each character
-- of it counts, and the expiry is looked at only where the MAC fits, so it is a number.
--
-- It is on every request's path, and each function that an expression names costs more than the hash: hence one short
-- query, and why a seal was refused is found out only then.
-- +goose StatementBegin
create function auth.session() returns pg_catalog.jsonb
  language plpgsql stable parallel safe security definer
as $$
declare
  claims pg_catalog.jsonb;
begin
  select pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.jsonb into claims
  from rowpass.seal_keys k
  where pg_catalog.right(pg_catalog.current_setting('request.jwt.seal', true), 64) operator(pg_catalog.=) pg_catalog.encode(
    pg_catalog.sha256(k.outer_pad operator(pg_catalog.||) pg_catalog.sha256(k.inner_pad operator(pg_catalog.||) pg_catalog.convert_to(
      pg_catalog.left(pg_catalog.current_setting('request.jwt.seal', true), -64)
      operator(pg_catalog.||) pg_catalog.current_setting('request.jwt.claims', true), 'UTF8'))), 'hex');
  if claims is not null then
    if pg_catalog.abs(pg_catalog.split_part(pg_catalog.current_setting('request.jwt.seal', true), '.', 2)::pg_catalog.float8
      operator(pg_catalog.-) pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp())
      operator(pg_catalog.-) 150::pg_catalog.float8) operator(pg_catalog.<=) 150::pg_catalog.float8 then
      return claims;
    end if;
  elsif (pg_catalog.current_setting('request.jwt.claims', true) operator(pg_catalog.<>) '') is not true then
    return 'null'::pg_catalog.jsonb;
  end if;
  raise exception using errcode = '28000',
    message = 'the claims of this transaction are not sealed, or their seal is out of date',
    hint = 'Only rowpass can set claims: request.jwt.claims needs its request.jwt.seal, which is good for a minute of the database''s time.';
end
$$;
-- +goose StatementEnd

-- The functions below ask session() once and need two or more looks at what it says, which an inlined expression cannot
-- have without asking again. They keep to the same rules.

-- The subject, or the user that a provider's mapping gave. Names, types and NULLs are those of pg_session_jwt 0.5.
-- +goose StatementBegin
create function auth.user_id() returns pg_catalog.text
  language plpgsql stable parallel safe
as $$
declare
  claims pg_catalog.jsonb := auth.session();
begin
  return coalesce(claims operator(pg_catalog.->>) 'rowpass_user'::pg_catalog.text, claims operator(pg_catalog.->>) 'sub'::pg_catalog.text);
end
$$;
-- +goose StatementEnd

-- The tenant as the issuer names it, or as a provider's mapping gave it.
-- +goose StatementBegin
create function auth.tenant() returns pg_catalog.text
  language plpgsql stable parallel safe
as $$
declare
  claims pg_catalog.jsonb := auth.session();
begin
  return coalesce(claims operator(pg_catalog.->>) 'rowpass_tenant'::pg_catalog.text, claims operator(pg_catalog.->>) 'tenant_id'::pg_catalog.text);
end
$$;
-- +goose StatementEnd

-- as_uuid is NULL for what is no UUID in the form that PostgreSQL writes: a foreign subject finds no row instead of an
-- error. A regular expression takes ten times as long.
-- +goose StatementBegin
create function auth.as_uuid(name pg_catalog.text) returns pg_catalog.uuid
  language plpgsql immutable strict parallel safe
as $$
begin
  if pg_catalog.translate(name, '123456789abcdefABCDEF', '000000000000000000000')
    operator(pg_catalog.=) '00000000-0000-0000-0000-000000000000' then
    return name::pg_catalog.uuid;
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- What follows has SQL-standard bodies: their names are bound here and now, whatever a caller's search_path says later,
-- and they are inlined into the plan of the query.
create function auth.jwt() returns jsonb
  language sql stable parallel safe
  return auth.session();

create function auth.uid() returns uuid
  language sql stable parallel safe
  return auth.as_uuid(auth.user_id());

create function auth.tenant_id() returns uuid
  language sql stable parallel safe
  return auth.as_uuid(auth.tenant());

-- The organization claim "o", as Clerk and Neon Auth issue it.
create function auth.organization() returns jsonb
  language sql stable parallel safe
  return auth.session() -> 'o';

create function auth.organization_id() returns uuid
  language sql stable parallel safe
  return auth.as_uuid(auth.session() -> 'o' ->> 'id');

-- impersonate lets the owner act as somebody until the end of the transaction, to see what a caller would see:
--   begin; select auth.impersonate('{"sub": "…", "tenant_id": "…"}'); select * from users; rollback;
-- It reads the key with the rights of whoever calls it, so nobody but the owner can use it.
-- +goose StatementBegin
create function auth.impersonate(claims jsonb, role text default 'authenticated') returns void
  language sql
  begin atomic
    with head as materialized (
      select 'v1.' || extract(epoch from clock_timestamp())::bigint + 60 || '.' as text
    ), key as materialized (
      select inner_pad, outer_pad from rowpass.seal_keys order by id desc limit 1
    )
    select set_config('request.jwt.claims', claims::text, true),
      set_config('request.jwt.seal', head.text || encode(
        sha256(key.outer_pad || sha256(key.inner_pad || convert_to(head.text || claims::text, 'UTF8'))), 'hex'), true),
      set_config('role', role, true)
    from head, key;
  end;
-- +goose StatementEnd

revoke all on function auth.session(), auth.jwt(), auth.user_id(), auth.uid(), auth.tenant(), auth.tenant_id(),
  auth.organization(), auth.organization_id(), auth.as_uuid(text), auth.impersonate(jsonb, text) from public;
grant execute on function auth.session(), auth.jwt(), auth.user_id(), auth.uid(), auth.tenant(), auth.tenant_id(),
  auth.organization(), auth.organization_id(), auth.as_uuid(text) to authenticated, anonymous;

-- +goose Down
drop function auth.impersonate(jsonb, text);
drop function auth.organization_id();
drop function auth.organization();
drop function auth.tenant_id();
drop function auth.uid();
drop function auth.jwt();
drop function auth.as_uuid(text);
drop function auth.tenant();
drop function auth.user_id();
drop function auth.session();
