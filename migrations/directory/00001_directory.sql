-- +goose Up
create table public.tenants (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table public.users (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null default auth.tenant_id() references public.tenants (id) on delete cascade,
  name text not null default '' check (length(name) <= 200),
  email text not null check (length(email) between 3 and 320 and position('@' in email) > 1),
  role text not null default 'member' check (role in ('member', 'admin')),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object' and pg_column_size(settings) <= 16384),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- The tenant leads every key that a caller can fill, so that no caller can probe for another tenant's addresses.
create unique index users_tenant_id_email_key on public.users (tenant_id, lower(email));
create index users_tenant_id_id_idx on public.users (tenant_id, id);
create index users_email_idx on public.users (lower(email));

-- user_id is the subject of whichever issuer, so it is text and no foreign key. It leads the primary key: an id can be
-- neither taken ahead nor probed by somebody else.
create table public.todos (
  id bigint generated always as identity,
  user_id text not null default auth.user_id(),
  task text not null check (length(task) between 1 and 2000),
  is_complete boolean not null default false,
  inserted_at timestamptz not null default now(),
  primary key (user_id, id)
);

grant select, insert, update, delete on public.tenants, public.users, public.todos to authenticated, anonymous;

alter table public.tenants enable row level security;
alter table public.users enable row level security;
alter table public.todos enable row level security;

-- Whether the caller is an admin is read here and now, so that a demotion acts at once. A policy on users that reads
-- users recurses for ever; a definer function does not.
create function auth.is_tenant_admin() returns boolean
  language sql stable parallel safe security definer
  return exists (
    select from public.users
    where id = auth.uid() and tenant_id = auth.tenant_id() and role = 'admin'
  );
revoke all on function auth.is_tenant_admin() from public;
grant execute on function auth.is_tenant_admin() to authenticated, anonymous;

-- Each policy compares a bare column with an uncorrelated sub-select: one InitPlan and an index scan.
create policy tenants_read on public.tenants for select to authenticated
  using (id = (select auth.tenant_id()));
create policy tenants_change on public.tenants for update to authenticated
  using (id = (select auth.tenant_id()) and (select auth.is_tenant_admin()));

create policy users_read on public.users for select to authenticated
  using (tenant_id = (select auth.tenant_id()));
create policy users_add on public.users for insert to authenticated
  with check (tenant_id = (select auth.tenant_id()) and (select auth.is_tenant_admin()));
create policy users_change on public.users for update to authenticated
  using (tenant_id = (select auth.tenant_id()) and (id = (select auth.uid()) or (select auth.is_tenant_admin())));
create policy users_remove on public.users for delete to authenticated
  using (tenant_id = (select auth.tenant_id()) and id <> (select auth.uid()) and (select auth.is_tenant_admin()));

create policy todos_own on public.todos for all to authenticated
  using (user_id = (select auth.user_id()))
  with check (user_id = (select auth.user_id()));

-- The guards below say what a policy cannot: which columns of a visible row may change. They run as the caller under
-- the caller's search_path, so they name every operator and type by its schema, and they bind everybody but the
-- tables' owner. A grant by column would say the same and break clients that name every column, as Drizzle does.
-- +goose StatementBegin
create function auth.guard_tenants() returns trigger
  language plpgsql
as $$
begin
  new.updated_at := pg_catalog.now();
  if pg_catalog.pg_has_role(current_user, (select relowner from pg_catalog.pg_class where oid operator(pg_catalog.=) tg_relid), 'USAGE') then
    return new;
  end if;
  if ((new.id operator(pg_catalog.=) old.id) and (new.created_at operator(pg_catalog.=) old.created_at)) is not true then
    raise exception using errcode = '42501', message = 'the id and created_at of a tenant never change';
  end if;
  return new;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function auth.guard_users() returns trigger
  language plpgsql
as $$
begin
  new.updated_at := pg_catalog.now();
  if pg_catalog.pg_has_role(current_user, (select relowner from pg_catalog.pg_class where oid operator(pg_catalog.=) tg_relid), 'USAGE') then
    return new;
  end if;
  if tg_op operator(pg_catalog.=) 'INSERT' then
    -- Subjects of tokens are these ids: one that a caller may choose takes over what belongs to another user.
    new.id := pg_catalog.gen_random_uuid();
    new.created_at := pg_catalog.now();
    return new;
  end if;
  if ((new.id operator(pg_catalog.=) old.id) and (new.tenant_id operator(pg_catalog.=) old.tenant_id)
    and (new.created_at operator(pg_catalog.=) old.created_at)) is not true then
    raise exception using errcode = '42501', message = 'the id, tenant_id and created_at of a user never change';
  end if;
  if (new.role operator(pg_catalog.=) old.role) is not true
    and (not auth.is_tenant_admin() or old.id operator(pg_catalog.=) auth.uid()) then
    raise exception using errcode = '42501', message = 'only another admin of the tenant changes a user''s role';
  end if;
  if (new.email operator(pg_catalog.=) old.email) is not true and not auth.is_tenant_admin() then
    raise exception using errcode = '42501', message = 'only an admin of the tenant changes an e-mail address';
  end if;
  return new;
end
$$;
-- +goose StatementEnd

-- A removed user's todos would wait for whoever gets its id next. The caller cannot see them; the owner can.
-- +goose StatementBegin
create function auth.remove_todos() returns trigger
  language plpgsql security definer
as $$
begin
  delete from public.todos where user_id operator(pg_catalog.=) (old.id::pg_catalog.text);
  return old;
end
$$;
-- +goose StatementEnd
revoke all on function auth.guard_tenants(), auth.guard_users(), auth.remove_todos() from public;

create trigger guard before update on public.tenants
  for each row execute function auth.guard_tenants();
create trigger guard before insert or update on public.users
  for each row execute function auth.guard_users();
create trigger remove_todos after delete on public.users
  for each row execute function auth.remove_todos();

-- find_users is how rowpass itself looks a user up: by id or e-mail address, in one tenant or in all. It returns two at
-- most, since the second only says that the first is not the only one.
-- +goose StatementBegin
create function rowpass.find_users(who text, tenant uuid) returns table (id uuid, tenant_id uuid, email text, role text)
  language sql stable security definer
  begin atomic
    select users.id, users.tenant_id, users.email, users.role
    from public.users
    where (users.id = auth.as_uuid(who) or lower(users.email) = lower(who))
      and (tenant is null or users.tenant_id = tenant)
    limit 2;
  end;
-- +goose StatementEnd

-- first_user is whom the demo grant takes where nobody is named.
-- +goose StatementBegin
create function rowpass.first_user() returns table (id uuid, tenant_id uuid, email text, role text)
  language sql stable security definer
  begin atomic
    select users.id, users.tenant_id, users.email, users.role
    from public.users
    order by users.created_at, users.id
    limit 1;
  end;
-- +goose StatementEnd
revoke all on function rowpass.find_users(text, uuid), rowpass.first_user() from public;

-- +goose Down
drop function rowpass.first_user();
drop function rowpass.find_users(text, uuid);
drop table public.todos;
drop table public.users cascade; -- and with it the function that is bound to it, auth.is_tenant_admin()
drop table public.tenants;
drop function auth.remove_todos();
drop function auth.guard_users();
drop function auth.guard_tenants();
