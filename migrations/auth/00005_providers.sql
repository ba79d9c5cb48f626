-- +goose Up
-- The tenant as the issuer names it, or as a provider's mapping gave it. A provider's claims have rowpass_user always and
-- rowpass_tenant where its mapping gave a tenant: what such a token calls tenant_id itself may be its user's own words, so it
-- never counts. It keeps to the rules of session().
-- +goose StatementBegin
create or replace function auth.tenant() returns pg_catalog.text
  language plpgsql stable parallel safe
as $$
declare
  claims pg_catalog.jsonb := auth.session();
begin
  if claims operator(pg_catalog.?) 'rowpass_user'::pg_catalog.text then
    return claims operator(pg_catalog.->>) 'rowpass_tenant'::pg_catalog.text;
  end if;
  return claims operator(pg_catalog.->>) 'tenant_id'::pg_catalog.text;
end
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
create or replace function auth.tenant() returns pg_catalog.text
  language plpgsql stable parallel safe
as $$
declare
  claims pg_catalog.jsonb := auth.session();
begin
  return coalesce(claims operator(pg_catalog.->>) 'rowpass_tenant'::pg_catalog.text, claims operator(pg_catalog.->>) 'tenant_id'::pg_catalog.text);
end
$$;
-- +goose StatementEnd
