-- +goose Up
-- session returns the claims of the current transaction after checking that rowpass sealed them: JSON null where
-- there are none, SQLSTATE 28000 where the seal is missing, wrong or out of date.
--
-- It runs as the owner under the caller's search_path and settings. So every function, operator and type is
-- schema-qualified, no construct with a hidden operator is used (NULLIF, IN, BETWEEN, LIKE, CASE x WHEN, IS DISTINCT
-- FROM), there is no backslash, and the key stays a column of the one query. A SET clause would do some of this for
-- more than the HMAC costs.
--
-- It is on every request's path, where PL/pgSQL prepares each of its expressions anew: so one query does the check, and
-- why a seal was refused is found out only then. The expiry is looked at only where the MAC fits, so it is a number.
-- +goose StatementBegin
create function auth.session() returns pg_catalog.jsonb
  language plpgsql stable parallel safe security definer
as $$
declare
  claims pg_catalog.jsonb;
begin
  select pg_catalog.current_setting('request.jwt.claims', true)::pg_catalog.jsonb into claims
  from rowpass.seal_keys k
  where case
    when pg_catalog.current_setting('request.jwt.claims', true) operator(pg_catalog.=) '' then false
    when pg_catalog.current_setting('request.jwt.seal', true) operator(pg_catalog.=) (
      'v1.'::pg_catalog.text operator(pg_catalog.||)
      pg_catalog.split_part(pg_catalog.current_setting('request.jwt.seal', true), '.', 2)
      operator(pg_catalog.||) '.'::pg_catalog.text operator(pg_catalog.||) pg_catalog.encode(
        pg_catalog.sha256(k.outer_pad operator(pg_catalog.||) pg_catalog.sha256(
          k.inner_pad operator(pg_catalog.||) pg_catalog.convert_to(
            pg_catalog.split_part(pg_catalog.current_setting('request.jwt.seal', true), '.', 2)
            operator(pg_catalog.||) '.'::pg_catalog.text
            operator(pg_catalog.||) pg_catalog.current_setting('request.jwt.claims', true), 'UTF8'))),
        'hex'))
    then pg_catalog.abs(
      pg_catalog.split_part(pg_catalog.current_setting('request.jwt.seal', true), '.', 2)::pg_catalog.float8
      operator(pg_catalog.-) 150.0::pg_catalog.float8
      operator(pg_catalog.-) pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()))
      operator(pg_catalog.<=) 150.0::pg_catalog.float8
    end;
  if claims is not null then
    return claims;
  end if;
  if pg_catalog.current_setting('request.jwt.claims', true) operator(pg_catalog.<>) '' then
    raise exception using errcode = '28000',
      message = 'the claims of this transaction are not sealed, or their seal is out of date',
      hint = 'Only rowpass can set claims: request.jwt.claims needs its request.jwt.seal, which is good for a minute of the database''s time.';
  end if;
  return 'null'::pg_catalog.jsonb;
end
$$;
-- +goose StatementEnd

-- What follows has SQL-standard bodies: their names are bound here and now, whatever a caller's search_path says later,
-- and they are inlined into the plan of the query. Names, types and NULLs are those of pg_session_jwt 0.5.
create function auth.jwt() returns jsonb
  language sql stable parallel safe
  return auth.session();

-- The subject, or the user that a provider's mapping gave: jsonb keeps a shorter name before a longer one, so the last
-- of the two is the mapped one where there is one. (coalesce() would say it more plainly and check the seal twice.)
create function auth.user_id() returns text
  language sql stable parallel safe
  return jsonb_path_query_array(auth.session(),
    '$.keyvalue() ? (@.key == "sub" || @.key == "rowpass_user").value', '{}', true) ->> -1;

-- The same as a UUID, NULL where it is none: a foreign subject finds no row instead of an error.
create function auth.uid() returns uuid
  language sql stable parallel safe
  return substring(auth.user_id()
    from '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')::uuid;

-- The tenant as the issuer names it, or as a provider's mapping gave it: the last of the two, as above.
create function auth.tenant() returns text
  language sql stable parallel safe
  return jsonb_path_query_array(auth.session(),
    '$.keyvalue() ? (@.key == "tenant_id" || @.key == "rowpass_tenant").value', '{}', true) ->> -1;

create function auth.tenant_id() returns uuid
  language sql stable parallel safe
  return substring(auth.tenant()
    from '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')::uuid;

-- The organization claim "o", as Clerk and Neon Auth issue it.
create function auth.organization() returns jsonb
  language sql stable parallel safe
  return auth.session() -> 'o';

create function auth.organization_id() returns uuid
  language sql stable parallel safe
  return substring(auth.session() -> 'o' ->> 'id'
    from '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')::uuid;

-- impersonate lets the owner act as somebody until the end of the transaction, to see what a caller would see:
--   begin; select auth.impersonate('{"sub": "…", "tenant_id": "…"}'); select * from users; rollback;
-- It reads the key with the rights of whoever calls it, so nobody but the owner can use it.
-- +goose StatementBegin
create function auth.impersonate(claims jsonb, role text default 'authenticated') returns void
  language sql
  begin atomic
    with expires as materialized (
      select (extract(epoch from clock_timestamp())::bigint + 60)::text as at
    ), key as materialized (
      select inner_pad, outer_pad from rowpass.seal_keys order by id desc limit 1
    )
    select set_config('request.jwt.claims', claims::text, true),
      set_config('request.jwt.seal', 'v1.' || expires.at || '.' || encode(
        sha256(key.outer_pad || sha256(key.inner_pad || convert_to(expires.at || '.' || claims::text, 'UTF8'))), 'hex'), true),
      set_config('role', role, true)
    from expires, key;
  end;
-- +goose StatementEnd

revoke all on function auth.session(), auth.jwt(), auth.user_id(), auth.uid(), auth.tenant(), auth.tenant_id(),
  auth.organization(), auth.organization_id(), auth.impersonate(jsonb, text) from public;
grant execute on function auth.session(), auth.jwt(), auth.user_id(), auth.uid(), auth.tenant(), auth.tenant_id(),
  auth.organization(), auth.organization_id() to authenticated, anonymous;

-- +goose Down
drop function auth.impersonate(jsonb, text);
drop function auth.organization_id();
drop function auth.organization();
drop function auth.tenant_id();
drop function auth.tenant();
drop function auth.uid();
drop function auth.user_id();
drop function auth.jwt();
drop function auth.session();
