-- +goose Up
-- Which users of ours the users of providers are, where their tokens are exchanged. The subject is as the provider has it, and one
-- user in a tenant. A link is as good as the user's password.
create unique index users_tenant_id_id_key on public.users (tenant_id, id);
drop index public.users_tenant_id_id_idx;
create table rowpass.identities (
  provider text not null check (length(provider) between 1 and 63),
  subject text not null check (length(subject) between 1 and 1024),
  tenant_id uuid not null,
  user_id uuid not null,
  by_address boolean not null default false,
  linked_at timestamptz not null default now(),
  primary key (provider, subject, tenant_id),
  foreign key (tenant_id, user_id) references public.users (tenant_id, id) on delete cascade on update cascade
);
create index identities_tenant_id_user_id_idx on rowpass.identities (tenant_id, user_id);
create unique index identities_by_address_key on rowpass.identities (provider, user_id) where by_address;

-- unlinked are links that were taken back, which no address makes again. They outlive the user: a tenant's admin can remove it and add
-- it anew.
create table rowpass.unlinked (
  provider text not null,
  subject text not null,
  tenant_id uuid not null,
  user_id uuid not null,
  unlinked_at timestamptz not null default now(),
  primary key (provider, tenant_id, subject, user_id)
);

-- changed_addresses are users whose e-mail address is not the one that they were made with. A tenant's admin may change it, to one of
-- its own, too, and would be them at the next exchange: so it links them with nobody.
create table rowpass.changed_addresses (
  user_id uuid primary key references public.users (id) on delete cascade on update cascade
);
revoke all on rowpass.identities, rowpass.unlinked, rowpass.changed_addresses from public;

-- It runs as the owner under the caller's search_path, like the guards of 00001.
-- +goose StatementBegin
create function auth.note_changed_address() returns trigger
  language plpgsql security definer
as $$
begin
  insert into rowpass.changed_addresses (user_id) values (new.id) on conflict do nothing;
  return null;
end
$$;
-- +goose StatementEnd
revoke all on function auth.note_changed_address() from public;
create trigger note_changed_address after update of email on public.users
  for each row when (old.email <> new.email) execute function auth.note_changed_address();

-- find_identities is how an exchange looks its user up. It returns two at most, since the second only says that the first is not
-- the only one. An address links its user first: in a tenant that is named, since any tenant's admin may add any address to its
-- own; and nobody who has had a link with this provider.
-- +goose StatementBegin
create function rowpass.find_identities(of_provider text, of_subject text, address text, tenant uuid)
  returns table (id uuid, tenant_id uuid, email text, role text)
  language sql security definer
  begin atomic
    insert into rowpass.identities (provider, subject, tenant_id, user_id, by_address)
    select of_provider, of_subject, users.tenant_id, users.id, true
    from public.users
    where users.tenant_id = tenant and lower(users.email) = lower(address)
      and not exists (select from rowpass.identities i
        where i.provider = of_provider and (i.user_id = users.id or i.subject = of_subject and i.tenant_id = users.tenant_id))
      and not exists (select from rowpass.unlinked l
        where l.provider = of_provider and l.tenant_id = users.tenant_id and (l.user_id = users.id or l.subject = of_subject))
      and not exists (select from rowpass.changed_addresses c where c.user_id = users.id)
    on conflict do nothing;
    select users.id, users.tenant_id, users.email, users.role
    from rowpass.identities join public.users on users.id = identities.user_id
    where identities.provider = of_provider and identities.subject = of_subject
      and (tenant is null or identities.tenant_id = tenant)
    limit 2;
  end;
-- +goose StatementEnd

-- link_identity says whether the link holds: not where the subject is somebody else in that tenant.
-- +goose StatementBegin
create function rowpass.link_identity(of_provider text, of_subject text, of_user uuid) returns boolean
  language sql security definer
  begin atomic
    with linked as (
      insert into rowpass.identities as i (provider, subject, tenant_id, user_id)
      select of_provider, of_subject, users.tenant_id, users.id from public.users where users.id = of_user
      on conflict (provider, subject, tenant_id) do update
      set by_address = false
      where i.user_id = excluded.user_id
      returning tenant_id
    ), forgotten as (
      delete from rowpass.unlinked l using linked
      where l.provider = of_provider and l.subject = of_subject and l.tenant_id = linked.tenant_id and l.user_id = of_user
    )
    select exists (select from linked);
  end;
-- +goose StatementEnd
-- unlink_identity says whether there was such a link.
-- +goose StatementBegin
create function rowpass.unlink_identity(of_provider text, of_subject text, of_user uuid) returns boolean
  language sql security definer
  begin atomic
    with gone as (
      delete from rowpass.identities i where i.provider = of_provider and i.subject = of_subject and i.user_id = of_user
      returning i.tenant_id
    ), noted as (
      insert into rowpass.unlinked (provider, subject, tenant_id, user_id) select of_provider, of_subject, tenant_id, of_user from gone
      on conflict do nothing
    )
    select exists (select from gone);
  end;
-- +goose StatementEnd
revoke all on function rowpass.find_identities(text, text, text, uuid), rowpass.link_identity(text, text, uuid),
  rowpass.unlink_identity(text, text, uuid) from public;

-- +goose Down
drop trigger note_changed_address on public.users;
drop function auth.note_changed_address();
drop function rowpass.unlink_identity(text, text, uuid);
drop function rowpass.link_identity(text, text, uuid);
drop function rowpass.find_identities(text, text, text, uuid);
drop table rowpass.changed_addresses;
drop table rowpass.unlinked;
drop table rowpass.identities;
create index users_tenant_id_id_idx on public.users (tenant_id, id);
drop index public.users_tenant_id_id_key;
