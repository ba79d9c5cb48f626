package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// applyTenants notes who is of which tenant, of those users that were taken. A profile that lists its tenants says of all others
// that the user is in none of them.
func applyTenants(ctx context.Context, tx pgx.Tx, source *Source, users []user, outcomes []outcome) error {
	var said tenantsSaid
	var lists tenantLists
	for i, u := range users {
		if o := outcomes[i]; o.reason() != "" || o.what == "purged" {
			continue
		} else if o.newest && u.profile.Tenants != nil {
			if err := lists.add(u); err != nil {
				return err
			}
			for _, tenant := range u.profile.Tenants {
				u.addTenant(tenant, membership{u.said, true})
			}
		}
		said.add(u)
	}
	batch := &pgx.Batch{}
	queue(batch, slices.Concat(lists.statement(), said.statement(source)))
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, batch).Close()
}

// tenantsSaid are memberships, as columns.
type tenantsSaid struct {
	ids, tenants []string
	at           []time.Time
	member       []bool
}

func (t *tenantsSaid) add(u user) {
	names := make([]string, 0, len(u.tenants))
	for name := range u.tenants {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare) // rows are locked in one order by everybody
	for _, name := range names {
		m := u.tenants[name]
		t.ids, t.tenants, t.at, t.member = append(t.ids, u.id), append(t.tenants, name), append(t.at, m.at), append(t.member, m.member)
	}
}

func (t *tenantsSaid) statement(source *Source) []asked {
	const query = `
		insert into rowpass.profile_tenants as t (id, tenant, source, at, member)
		select s.id, s.tenant, $1::text, s.at, s.member
		from unnest($2::text[], $3::text[], $4::timestamptz[], $5::boolean[]) with ordinality as s (id, tenant, at, member, place)
		order by s.place
		on conflict (id, tenant) do update set source = excluded.source, at = excluded.at, member = excluded.member,
			until = case when excluded.member then t.until end
		where t.at is null or t.at <= excluded.at`
	if len(t.ids) == 0 {
		return nil
	}
	return []asked{{query: query, args: []any{source.Name(), t.ids, t.tenants, t.at, t.member}}}
}

// maxTenants is of one profile. What is done for each is written, and checked against the others.
const maxTenants = 1000

// crowded is why a profile with too many tenants is not taken, "" where it has fewer. Half of them would be worse than none.
func (c Change) crowded() string {
	if c.Kind != Upsert || len(c.Profile.Tenants) <= maxTenants {
		return ""
	}
	return fmt.Sprintf("the user is in %d tenants; a profile may list %d: let fields.tenant name fewer", len(c.Profile.Tenants), maxTenants)
}

// tenantLists are users with all tenants that they are in, as columns.
type tenantLists struct {
	ids, tenants []string // tenants is a JSON array
	at           []time.Time
}

func (t *tenantLists) add(u user) error {
	names, err := json.Marshal(u.profile.Tenants)
	if err != nil {
		return fmt.Errorf("writing the tenants of a profile: %w", err)
	}
	t.ids, t.tenants, t.at = append(t.ids, u.id), append(t.tenants, string(names)), append(t.at, u.said)
	return nil
}

func (t *tenantLists) statement() []asked {
	const query = `
		with lists as materialized (
			select l.id, l.at, array(select jsonb_array_elements_text(l.tenants::jsonb)) as names
			from unnest($1::text[], $2::text[], $3::timestamptz[]) as l (id, tenants, at)
		)
		update rowpass.profile_tenants t set member = false, until = null, at = l.at from lists l
		where t.id = l.id and (t.member or t.until is not null) and (t.at is null or t.at < l.at) and t.tenant <> all (l.names)`
	if len(t.ids) == 0 {
		return nil
	}
	return []asked{{query: query, args: []any{t.ids, t.tenants, t.at}}}
}
