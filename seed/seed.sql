-- Two tenants with an admin and a member each, and two todos for everybody. Running it twice changes nothing: what is
-- there stays as it is.
insert into public.tenants (id, name) values
  ('a0000000-0000-4000-8000-000000000001', 'Acme'),
  ('b0000000-0000-4000-8000-000000000001', 'Globex')
on conflict do nothing;

insert into public.users (id, tenant_id, name, email, role, created_at) values
  ('a0000000-0000-4000-8000-00000000000a', 'a0000000-0000-4000-8000-000000000001', 'Ada of Acme', 'admin@acme.example', 'admin', '2025-01-01 09:00+00'),
  ('a0000000-0000-4000-8000-00000000000b', 'a0000000-0000-4000-8000-000000000001', 'Max of Acme', 'member@acme.example', 'member', '2025-01-01 09:01+00'),
  ('b0000000-0000-4000-8000-00000000000a', 'b0000000-0000-4000-8000-000000000001', 'Gil of Globex', 'admin@globex.example', 'admin', '2025-01-01 09:02+00'),
  ('b0000000-0000-4000-8000-00000000000b', 'b0000000-0000-4000-8000-000000000001', 'Mia of Globex', 'member@globex.example', 'member', '2025-01-01 09:03+00')
on conflict do nothing;

insert into public.todos (user_id, task)
select users.id::text, task
from public.users
cross join (values (1, 'Read the tutorial'), (2, 'Look for the other tenant')) as first_steps (position, task)
where users.id in (
    'a0000000-0000-4000-8000-00000000000a', 'a0000000-0000-4000-8000-00000000000b',
    'b0000000-0000-4000-8000-00000000000a', 'b0000000-0000-4000-8000-00000000000b')
  and not exists (select from public.todos where todos.user_id = users.id::text)
order by users.created_at, position;
