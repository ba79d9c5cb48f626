-- +goose Up
-- neon_identity.users_sync is what providers say about their users, as Neon Identity shapes it: raw_json is written, and the
-- columns beside it are read out of it. A raw_json that one of them cannot be read from fails the whole statement.
create schema if not exists neon_identity;
revoke all on schema neon_identity from public;
grant usage on schema neon_identity to authenticated;

create table neon_identity.users_sync (
  raw_json jsonb not null,
  id text generated always as (raw_json ->> 'id') stored primary key,
  name text generated always as (raw_json ->> 'display_name') stored,
  email text generated always as (raw_json ->> 'primary_email') stored,
  created_at timestamptz generated always as (to_timestamp(trunc((raw_json ->> 'signed_up_at_millis')::bigint::double precision) / 1000)) stored,
  updated_at timestamptz,
  deleted_at timestamptz
);
create index users_sync_deleted_at_idx on neon_identity.users_sync (deleted_at);
revoke all on neon_identity.users_sync from public;

-- profiles is what users_sync has no column for. Both of its times are the provider's, and neither ever falls: said_at that of the
-- profile in raw_json, gone_at that of the newest deletion. The user is there if said_at is the later one, in whatever order the
-- two came. A provisional row's raw_json is from a token's claims: nothing was said of the user, and whatever is counts for more.
create table rowpass.profiles (
  id text primary key,
  source text not null,
  subject text not null,
  said_at timestamptz,
  gone_at timestamptz,
  provisional boolean not null default false,
  listed_at timestamptz -- when the run of the source's list began that named the user last
) with (fillfactor = 80);
create index profiles_source_subject_idx on rowpass.profiles (source, subject);

-- is_live is the one place that says whether a user is there.
create function rowpass.is_live(said_at timestamptz, gone_at timestamptz, provisional boolean) returns boolean
  language sql immutable parallel safe
  return coalesce(said_at > gone_at, gone_at is null and (said_at is not null or provisional));

-- Who is of which tenant. What the source says holds for good: the newest, at, is whether the user is a member. What tokens say
-- holds until some time, unless the source has said since that the user has left.
create table rowpass.profile_tenants (
  id text not null,
  tenant text not null,
  source text not null,
  at timestamptz,
  member boolean not null default false,
  until timestamptz,
  primary key (id, tenant)
);
create index profile_tenants_tenant_id_idx on rowpass.profile_tenants (tenant, id);

-- purged has the SHA-256 of ids that must not come back. Whoever writes profiles holds it in ROW EXCLUSIVE mode meanwhile, and
-- whoever purges in one that excludes this, so that nobody brings back what is just being removed.
create table rowpass.purged (
  mark bytea primary key,
  purged_at timestamptz not null default now()
);

-- An event is pending until it is read, fetch while the provider's API must be asked for the user, then done or dead. The body
-- goes when it is done.
create table rowpass.inbox (
  source text not null,
  event_id text not null check (octet_length(event_id) between 1 and 512),
  received_at timestamptz not null default now(),
  state text not null default 'pending' check (state in ('pending', 'fetch', 'done', 'dead')),
  attempts integer not null default 0,
  next_at timestamptz not null default now(),
  reason text,
  body bytea check (octet_length(body) <= 1048576),
  primary key (source, event_id)
);
create index inbox_due_idx on rowpass.inbox (state, next_at) where state in ('pending', 'fetch');
create index inbox_fetch_idx on rowpass.inbox (source, next_at) where state = 'fetch';
create index inbox_waiting_idx on rowpass.inbox (source, received_at) where state in ('pending', 'fetch');
create index inbox_dead_idx on rowpass.inbox (source, received_at) where state = 'dead';
create index inbox_read_idx on rowpass.inbox (received_at) where state in ('done', 'dead');

-- How each source is doing.
create table rowpass.sync_sources (
  source text primary key,
  last_event_at timestamptz,
  last_received_at timestamptz,
  reconciled_at timestamptz,
  drift bigint not null default 0
);

-- How far the reading of a source's list has come, and who is at it.
create table rowpass.sync_runs (
  source text primary key,
  backfill boolean not null,
  begun_at timestamptz not null default now(),
  finished_at timestamptz,
  holder text not null,
  leased_until timestamptz not null,
  progress jsonb not null default '{}'
);

revoke all on rowpass.profiles, rowpass.profile_tenants, rowpass.purged, rowpass.inbox, rowpass.sync_sources, rowpass.sync_runs
  from public;

-- keep_event adds an event to the inbox and says whether it is new. Its transaction is on disk when it has ended, even where the
-- database is set not to wait for that, and it waits no longer than a second for another one with the same event. It is a function
-- because set_config itself may have been taken from everybody, and in a language that keeps plans, since each event needs it.
-- +goose StatementBegin
create function rowpass.keep_event(of_source text, of_event text, of_body bytea) returns boolean
  language plpgsql security definer
as $$
begin
  perform pg_catalog.set_config('lock_timeout', '1000', true);
  if pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) any ('{off,local}'::pg_catalog.text[]) then
    perform pg_catalog.set_config('synchronous_commit', 'on', true);
  end if;
  insert into rowpass.inbox (source, event_id, body) values (of_source, of_event, of_body) on conflict (source, event_id) do nothing;
  return found;
end
$$;
-- +goose StatementEnd

-- hold_purged keeps purges out until the transaction ends.
-- +goose StatementBegin
create function rowpass.hold_purged() returns void
  language plpgsql security definer
as $$
begin
  lock table rowpass.purged in row exclusive mode;
end
$$;
-- +goose StatementEnd

create function rowpass.is_purged(of_id text) returns boolean
  language sql stable
  return exists (select from rowpass.purged where mark = sha256(convert_to(of_id, 'UTF8')));

-- apply_profiles takes what a source says of users: the profile at said, or NULL; gone at gone, or NULL; each user once. Hold
-- hold_purged. It locks the users in the order of their ids, and says of each what became of it, whose it is, and whether its
-- profile is the newest.
--
-- Whoever writes a user locks its row of profiles first, and the second statement sees what those before it have committed. A row
-- of users_sync that is there is changed by a plain UPDATE: INSERT ... ON CONFLICT DO UPDATE would lock it as if its id changed,
-- since that is generated, and so wait for every transaction that has written a foreign key to it.
-- +goose StatementBegin
create function rowpass.apply_profiles(of_source text, ids text[], subjects text[], raws text[], said timestamptz[], gone timestamptz[])
  returns table (id text, outcome text, owner text, newest boolean)
  language sql security definer
  begin atomic
    insert into rowpass.profiles (id, source, subject, said_at, gone_at)
    select c.id, of_source, c.subject, c.said_at, c.gone_at from unnest(ids, subjects, said, gone) as c (id, subject, said_at, gone_at)
    where not rowpass.is_purged(c.id) order by c.id
    on conflict (id) do update set subject = excluded.subject where false;

    with change as materialized (
      select c.id, c.raw::jsonb as raw, c.said_at, c.gone_at from unnest(ids, raws, said, gone) as c (id, raw, said_at, gone_at)
    ), known as materialized (
      select c.id, c.raw, c.said_at, c.gone_at, p.source, greatest(p.said_at, c.said_at) as last_said, greatest(p.gone_at, c.gone_at) as last_gone,
        p.provisional and c.said_at is null as provisional, u.id is not null as there, u.id is not null and u.deleted_at is null as was_live,
        u.raw_json = c.raw as same
      from change c
      left join rowpass.profiles p on p.id = c.id
      left join neon_identity.users_sync u on u.id = c.id
    ), now_known as materialized (
      select k.*, k.said_at is not null and k.said_at = k.last_said as newest, rowpass.is_live(k.last_said, k.last_gone, k.provisional) as live
      from known k
    ), noted as (
      update rowpass.profiles p set said_at = k.last_said, gone_at = k.last_gone, provisional = k.provisional
      from now_known k
      where p.id = k.id and k.source = of_source
        and (p.said_at is distinct from k.last_said or p.gone_at is distinct from k.last_gone or p.provisional <> k.provisional)
    ), told as materialized (
      select k.id, k.there, case when k.newest then k.raw end as raw, greatest(k.last_said, k.last_gone) as updated_at,
        case when not k.live then k.last_gone end as deleted_at
      from now_known k
      where k.source = of_source and (k.newest or k.gone_at = k.last_gone and not k.live)
    ), changed as (
      update neon_identity.users_sync u set raw_json = coalesce(t.raw, u.raw_json), updated_at = t.updated_at, deleted_at = t.deleted_at
      from told t
      where u.id = t.id
        and (u.raw_json <> t.raw or u.updated_at is distinct from t.updated_at or u.deleted_at is distinct from t.deleted_at)
    ), made as (
      insert into neon_identity.users_sync (raw_json, updated_at, deleted_at)
      select coalesce(t.raw, jsonb_build_object('id', t.id, 'provider', of_source)), t.updated_at, t.deleted_at
      from told t where not t.there order by t.id
      on conflict (id) do nothing
    )
    select k.id, case
        when k.source is null then 'purged'
        when k.source <> of_source then 'foreign'
        when k.live and not k.was_live and k.newest then 'added'
        when k.was_live and not k.live then 'deleted'
        when k.was_live and k.newest and not k.same then 'changed'
        when k.same then 'unchanged'
        when k.said_at is not null or k.gone_at < k.last_said then 'stale'
        else 'unchanged'
      end, coalesce(k.source, of_source), coalesce(k.newest and k.source = of_source, false)
    from now_known k;
  end;
-- +goose StatementEnd

-- see_profile makes the provisional row of a user that nothing was known of, and says whose the id is. Hold hold_purged. Where there
-- is nothing to make, it writes nothing.
-- +goose StatementBegin
create function rowpass.see_profile(of_source text, of_id text, of_subject text, raw text, at timestamptz) returns text
  language sql security definer
  begin atomic
    with known as (
      insert into rowpass.profiles as p (id, source, subject, provisional)
      select of_id, of_source, of_subject, true where not rowpass.is_purged(of_id) and not exists (
        select from rowpass.profiles k
        where k.id = of_id and (k.source <> of_source or k.said_at is not null or k.gone_at is not null or k.provisional))
      on conflict (id) do update set provisional = true
      where p.source = excluded.source and p.said_at is null and p.gone_at is null and not p.provisional
      returning true
    ), made as (
      insert into neon_identity.users_sync (raw_json, updated_at) select raw::jsonb, at from known on conflict (id) do nothing
    )
    select coalesce((select p.source from rowpass.profiles p where p.id = of_id), of_source);
  end;
-- +goose StatementEnd

-- purge_profile removes a user, and the bodies of dead events that name it in one of the ways of writing, and keeps the id out. It
-- says whether there was anything.
-- +goose StatementBegin
create function rowpass.purge_profile(of_id text, writings text[]) returns boolean
  language plpgsql security definer
as $$
declare
  found_one boolean := false;
begin
  lock table rowpass.purged in share row exclusive mode;
  insert into rowpass.purged (mark) values (pg_catalog.sha256(pg_catalog.convert_to(of_id, 'UTF8'))) on conflict do nothing;
  -- Nobody may write meanwhile: it gives up at once where a transaction has just written a foreign key to the row.
  perform from neon_identity.users_sync where id operator(pg_catalog.=) of_id for update nowait;
  delete from neon_identity.users_sync where id operator(pg_catalog.=) of_id;
  found_one := found;
  delete from rowpass.profiles where id operator(pg_catalog.=) of_id;
  found_one := found_one or found;
  delete from rowpass.profile_tenants where id operator(pg_catalog.=) of_id;
  found_one := found_one or found;
  update rowpass.inbox set body = null where state operator(pg_catalog.=) 'dead' and exists (
    select from pg_catalog.unnest(writings) w where pg_catalog.position(body, pg_catalog.convert_to(w, 'UTF8')) operator(pg_catalog.>) 0);
  return found_one or found;
end
$$;
-- +goose StatementEnd

revoke all on function rowpass.is_live(timestamptz, timestamptz, boolean), rowpass.keep_event(text, text, bytea), rowpass.hold_purged(),
  rowpass.is_purged(text), rowpass.apply_profiles(text, text[], text[], text[], timestamptz[], timestamptz[]),
  rowpass.see_profile(text, text, text, text, timestamptz), rowpass.purge_profile(text, text[]) from public;

-- tenant_profiles is who is of the caller's tenant. The policy wants it as one array, which goes through the primary key: it is
-- asked for once a query, and not at all where only the caller's own row is looked at. A function of the row would be asked for
-- each row, and a sub-select would be hashed beside a scan of all tenants' rows. The policy calls it for callers, who can't name it:
-- the schema is closed to them.
create function rowpass.tenant_profiles() returns text[]
  language sql stable parallel safe security definer
  return (
    select array_agg(t.id) from rowpass.profile_tenants t
    where t.tenant = (select auth.tenant()) and (t.member or t.until > now())
  );
revoke all on function rowpass.tenant_profiles() from public;
grant execute on function rowpass.tenant_profiles() to authenticated;

-- A caller reads its own profile and those of its tenant, and of them no more than these columns: raw_json has whatever the
-- provider knows.
alter table neon_identity.users_sync enable row level security;
grant select (id, name, email, created_at, updated_at, deleted_at) on neon_identity.users_sync to authenticated;
create policy users_sync_read on neon_identity.users_sync for select to authenticated
  using (id = (select auth.user_id()) or id = any ((select rowpass.tenant_profiles())::text[]));

-- The profiles of users who are there. id joins todos.user_id and user_id joins users.id, both without a cast.
create view neon_identity.profiles with (security_invoker) as
  select id, auth.as_uuid(id) as user_id, name, email, created_at, updated_at
  from neon_identity.users_sync
  where deleted_at is null;
revoke all on neon_identity.profiles from public;
grant select on neon_identity.profiles to authenticated;

-- +goose Down
drop view neon_identity.profiles;
drop policy users_sync_read on neon_identity.users_sync;
drop function rowpass.tenant_profiles();
drop function rowpass.purge_profile(text, text[]);
drop function rowpass.see_profile(text, text, text, text, timestamptz);
drop function rowpass.apply_profiles(text, text[], text[], text[], timestamptz[], timestamptz[]);
drop function rowpass.is_purged(text);
drop function rowpass.hold_purged();
drop function rowpass.keep_event(text, text, bytea);
drop table rowpass.sync_runs;
drop table rowpass.sync_sources;
drop table rowpass.inbox;
drop table rowpass.purged;
drop table rowpass.profile_tenants;
drop function rowpass.is_live(timestamptz, timestamptz, boolean);
drop table rowpass.profiles;
drop table neon_identity.users_sync;
-- The schema stays where somebody else has put something into it.
-- +goose StatementBegin
do $$
begin
  drop schema neon_identity;
exception
  when dependent_objects_still_exist then
    revoke usage on schema neon_identity from authenticated;
end
$$;
-- +goose StatementEnd
