-- +goose Up
-- What rowpass keeps for itself as an issuer. No caller is granted any of it, and nothing here is a caller's to call.

-- limit_time gives the rest of the transaction's statements so much time each, and a second to wait for a lock: a caller can
-- hold locks on rows of its own for as long as its statement runs, and whoever needs them must not hold a connection meanwhile.
-- It is a function because set_config itself may have been taken from everybody.
-- +goose StatementBegin
create function rowpass.limit_time(milliseconds bigint) returns void
  language sql security definer
  begin atomic
    select set_config('statement_timeout', milliseconds::text, true), set_config('lock_timeout', '1000', true);
  end;
-- +goose StatementEnd

-- state is one row. Denials are kept until the last token that they can mean is out of date: longest_ttl is how long the
-- longest-lived token was good. It starts at the default of issuer.token_ttl.
create table rowpass.state (
  single boolean primary key default true check (single),
  denials_version bigint not null default 0,
  longest_ttl interval not null default '15 minutes'
);
insert into rowpass.state default values;

-- The ring's document holds private keys, wrapped with a secret that the database does not have.
create table rowpass.ring (
  single boolean primary key default true check (single),
  document bytea not null check (octet_length(document) <= 1048576),
  version bigint not null,
  changed_at timestamptz not null default now()
);

-- Rows are only added, so that nobody who denies something waits for anybody else's transaction: the same may be denied in
-- several rows, and all of them hold. A denial's version is NULL until somebody reads it: see number_denials. The sessions that
-- it is about are over if they began by begun_by. That is NULL where there are none, and once Prune has ended them all: then,
-- and when its tokens are out of date, the row goes.
create table rowpass.denials (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('jti', 'sub', 'tenant_id', 'client_id', 'kid', 'sid', 'all')),
  value text not null constraint denials_value_check check (octet_length(value) <= 2048 and (kind = 'all') = (value = '')),
  issued_before timestamptz,
  until timestamptz not null,
  reason text not null default '',
  begun_by timestamptz,
  version bigint
);
create index denials_kind_value_idx on rowpass.denials (kind, value, begun_by);
create index denials_version_idx on rowpass.denials (version);
create index denials_unnumbered_idx on rowpass.denials (id) where version is null;
create index denials_unswept_idx on rowpass.denials (id) where begun_by is not null;
create index denials_until_idx on rowpass.denials (until);

-- A family is a session: the refresh tokens that followed one another from one login.
create table rowpass.refresh_families (
  id text primary key,
  client_id text not null,
  subject text not null,
  tenant text not null,
  scope text not null,
  audience text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index refresh_families_subject_idx on rowpass.refresh_families (subject, client_id, created_at) where ended_at is null;
create index refresh_families_client_id_idx on rowpass.refresh_families (client_id, created_at) where ended_at is null;
create index refresh_families_tenant_idx on rowpass.refresh_families (tenant, created_at) where ended_at is null;
create index refresh_families_created_at_idx on rowpass.refresh_families (created_at) where ended_at is null;
create index refresh_families_expires_at_idx on rowpass.refresh_families (expires_at);
create index refresh_families_ended_at_idx on rowpass.refresh_families (ended_at) where ended_at is not null;

-- Tokens are kept as their SHA-256. A used one has the salt that its successor was made with, which is of no use without the
-- token itself.
create table rowpass.refresh_tokens (
  hash bytea primary key,
  family_id text not null references rowpass.refresh_families (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  salt bytea
);
create index refresh_tokens_family_id_idx on rowpass.refresh_tokens (family_id);
create index refresh_tokens_expires_at_idx on rowpass.refresh_tokens (expires_at);

create table rowpass.audit (
  id uuid primary key,
  at timestamptz not null,
  event text not null,
  outcome text not null,
  subject text not null,
  client_id text not null,
  tenant text not null,
  token_id text not null,
  key_id text not null,
  address text not null,
  request_id text not null,
  reason text not null
);
create index audit_at_idx on rowpass.audit (at);

revoke all on rowpass.state, rowpass.ring, rowpass.denials, rowpass.refresh_families, rowpass.refresh_tokens, rowpass.audit
  from public;

-- deny makes tokens void before their time, and the sessions whose refresh tokens would replace them. It adds a row and
-- touches no other, so that it waits for nobody: is_over finds the sessions by the row, and Prune ends them later.
--
-- Which sessions: those that began by "before", or have begun by now and at most a minute behind "before", which is what
-- clocks may differ by. Whoever logs in again right after a denial of what was until now is not meant. Without a "before" it
-- is those that begin while the denial holds; a session that is named itself has begun, whatever the clocks say.
-- +goose StatementBegin
create function rowpass.deny(of_kind text, of_value text, before timestamptz, till timestamptz, why text) returns boolean
  language sql
  begin atomic
    insert into rowpass.denials (kind, value, issued_before, until, reason, begun_by)
    select of_kind, of_value, before, term.until, why, case
      when of_kind in ('jti', 'kid') then null
      when of_kind = 'sid' then clock_timestamp() + interval '1 minute'
      when before is null then greatest(term.until, clock_timestamp())
      else greatest(before, least(before + interval '1 minute', clock_timestamp())) end
    from rowpass.state, lateral (
      select coalesce(till, greatest(now(), before) + longest_ttl + interval '1 minute') as until
    ) as term;
    select true;
  end;
-- +goose StatementEnd

-- is_over is the one place that says whether a session has ended: by itself, or by a denial.
-- +goose StatementBegin
create function rowpass.is_over(f rowpass.refresh_families) returns boolean
  language sql stable
  begin atomic
    select f.ended_at is not null or exists (
      select from rowpass.denials d where d.begun_by >= f.created_at and (
        d.kind = 'sid' and d.value = f.id or d.kind = 'sub' and d.value = f.subject or d.kind = 'tenant_id' and d.value = f.tenant
        or d.kind = 'client_id' and d.value = f.client_id or d.kind = 'all' and d.value = ''));
  end;
-- +goose StatementEnd

-- number_denials gives the denials that nobody has read yet their versions, at most so many, and says how many it found. It
-- sees what is committed, and one of several at a time does it: so whoever has read up to a version misses nothing, in whatever
-- order the transactions end, and whoever denies something waits for nobody.
-- +goose StatementBegin
create function rowpass.number_denials(most bigint) returns bigint
  language plpgsql
as $$
declare
  last bigint;
  numbered bigint;
begin
  if not exists (select from rowpass.denials where version is null) then
    return 0;
  end if;
  select denials_version into last from rowpass.state for update;
  update rowpass.denials d set version = last + fresh.place
  from (
    select id, row_number() over (order by id) as place
    from (select id from rowpass.denials where version is null order by id limit most for update skip locked) unread
  ) fresh
  where d.id = fresh.id;
  get diagnostics numbered = row_count;
  if numbered > 0 then
    update rowpass.state set denials_version = last + numbered;
  end if;
  return numbered;
end
$$;
-- +goose StatementEnd

-- tell wakes the instances at the end of the transaction. Numbering a denial is nothing to wake them for.
-- +goose StatementBegin
create function rowpass.tell() returns trigger
  language plpgsql
as $$
begin
  notify rowpass;
  return null;
end
$$;
-- +goose StatementEnd
create trigger tell after insert on rowpass.denials
  for each statement execute function rowpass.tell();
create trigger tell after insert or update on rowpass.ring
  for each statement execute function rowpass.tell();

-- token_claims is for the owner to replace: the object that it returns is added to the tokens that are issued for "user", the
-- subject, to client. "user" is NULL where the client gets a token in its own name. It runs as the owner, for a second at
-- most, and may be asked twice for one token; an error refuses the token.
create function auth.token_claims("user" text, client text) returns jsonb
  language sql stable
  return '{}'::jsonb;

-- This is how rowpass asks it. Whatever goes wrong in it is SQLSTATE RP001, with its own words for the log. The hook alone looks names up in
-- schema public: what others may have made there, whose types fit better than PostgreSQL's own, would run as the owner.
-- +goose StatementBegin
create function rowpass.token_claims("user" text, client text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb;
begin
  begin
    perform set_config('search_path', 'public, pg_temp', true);
    claims := auth.token_claims("user", client);
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    claims := coalesce(claims, '{}');
  exception
    when others or query_canceled or assert_failure then
      raise exception using errcode = 'RP001', message = format('auth.token_claims: %s (SQLSTATE %s)', sqlerrm, sqlstate);
  end;
  if jsonb_typeof(claims) <> 'object' or octet_length(claims::text) > 8192 then
    raise exception using errcode = 'RP001',
      message = format('auth.token_claims: returned a JSON %s of %s bytes; an object of at most 8192 is wanted',
        jsonb_typeof(claims), octet_length(claims::text));
  end if;
  return claims;
end
$$;
-- +goose StatementEnd

revoke all on function rowpass.limit_time(bigint), rowpass.deny(text, text, timestamptz, timestamptz, text),
  rowpass.is_over(rowpass.refresh_families), rowpass.number_denials(bigint), rowpass.tell(), auth.token_claims(text, text), rowpass.token_claims(text, text) from public;

-- +goose Down
drop function rowpass.token_claims(text, text);
drop function if exists auth.token_claims(text, text);
drop function rowpass.number_denials(bigint);
drop function rowpass.is_over(rowpass.refresh_families);
drop function rowpass.deny(text, text, timestamptz, timestamptz, text);
drop table rowpass.audit;
drop table rowpass.refresh_tokens;
drop table rowpass.refresh_families;
drop table rowpass.denials;
drop table rowpass.ring;
drop table rowpass.state;
drop function rowpass.tell();
drop function rowpass.limit_time(bigint);
