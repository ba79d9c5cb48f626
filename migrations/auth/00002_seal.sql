-- +goose Up
-- HMAC-SHA256 (RFC 2104) needs the key twice, padded and masked. Both blocks are kept ready, so that a check is
-- two calls of the built-in sha256() over columns: the key is never a variable nor an argument, which
-- debug_print_plan would show to a caller.
create table rowpass.seal_keys (
  id integer generated always as identity primary key,
  inner_pad bytea not null check (octet_length(inner_pad) = 64),
  outer_pad bytea not null check (octet_length(outer_pad) = 64),
  created_at timestamptz not null default now()
);
revoke all on rowpass.seal_keys from public;

-- pad is one of HMAC's two blocks: the key, hashed where it is longer than a block, filled up with zeros, each byte
-- masked with 54 (inner, 0x36) or 92 (outer, 0x5c).
create function rowpass.pad(key bytea, mask integer) returns bytea
  language sql immutable parallel safe
  return (
    with k as (select case when octet_length(key) > 64 then sha256(key) else key end as bytes),
      block as (select bytes || decode(repeat('00', 64 - octet_length(bytes)), 'hex') as bytes from k)
    select string_agg(set_byte(decode('00', 'hex'), 0, get_byte(block.bytes, i) # mask), null order by i)
    from block, generate_series(0, 63) i
  );
revoke all on function rowpass.pad(bytea, integer) from public;

-- add_seal_key makes a key of 366 random bits inside the server, so that it never travels in a statement.
-- +goose StatementBegin
create function rowpass.add_seal_key() returns void
  language sql
  begin atomic
    with fresh as materialized (
      select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as key
    )
    insert into rowpass.seal_keys (inner_pad, outer_pad)
    select rowpass.pad(key, 54), rowpass.pad(key, 92) from fresh;
  end;
-- +goose StatementEnd
revoke all on function rowpass.add_seal_key() from public;

select rowpass.add_seal_key();

-- +goose Down
drop function rowpass.add_seal_key();
drop function rowpass.pad(bytea, integer);
drop table rowpass.seal_keys;
