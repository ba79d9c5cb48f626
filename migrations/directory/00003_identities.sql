-- +goose Up
-- Which users of ours the users of providers are, where their tokens are exchanged. The subject is as the provider has it. Only
-- the owner links: a link is as good as the user's password.
create table rowpass.identities (
  provider text not null check (length(provider) between 1 and 63),
  subject text not null check (length(subject) between 1 and 1024),
  user_id uuid not null references public.users (id) on delete cascade on update cascade,
  linked_at timestamptz not null default now(),
  primary key (provider, subject, user_id)
);
create index identities_user_id_idx on rowpass.identities (user_id);
revoke all on rowpass.identities from public;

-- find_identities is how an exchange looks its user up: who is linked or, for a subject that nobody is linked with, who has the
-- address. It returns two at most, since the second only says that the first is not the only one.
-- +goose StatementBegin
create function rowpass.find_identities(of_provider text, of_subject text, address text, tenant uuid)
  returns table (id uuid, tenant_id uuid, email text, role text)
  language sql stable security definer
  begin atomic
    select users.id, users.tenant_id, users.email, users.role
    from rowpass.identities join public.users on users.id = identities.user_id
    where identities.provider = of_provider and identities.subject = of_subject and (tenant is null or users.tenant_id = tenant)
    union all
    select users.id, users.tenant_id, users.email, users.role
    from public.users
    where lower(users.email) = lower(address) and (tenant is null or users.tenant_id = tenant)
      and not exists (select from rowpass.identities where identities.provider = of_provider and identities.subject = of_subject)
    limit 2;
  end;
-- +goose StatementEnd
revoke all on function rowpass.find_identities(text, text, text, uuid) from public;

-- +goose Down
drop function rowpass.find_identities(text, text, text, uuid);
drop table rowpass.identities;
