package statement

import (
	"fmt"
	"slices"
	"strings"

	tree "github.com/pganalyze/pg_query_go/v6"
)

// target refuses to write to PostgreSQL's own relations. An UPDATE of pg_settings, which PUBLIC may, is a set_config for the
// session that no function's name shows.
func (w *walk) target(r *tree.RangeVar) *Refusal {
	schema, name := folded(r.GetSchemaname()), folded(r.GetRelname())
	if !reserved(schema) && schema != "information_schema" && !reserved(name) {
		return nil
	}
	return w.relationRefusal(r, "PostgreSQL's own relations are not written to.")
}

// source refuses relations that call by their views what a caller may not call by name. Wherever it lies, the last part of the
// name counts. Of PostgreSQL's schemas only pg_catalog is read: pg_temp would be another request's, pg_toast is nobody's.
func (w *walk) source(r *tree.RangeVar) *Refusal {
	schema, name := folded(r.GetSchemaname()), folded(r.GetRelname())
	if !hidden(name) && (!reserved(schema) || schema == "pg_catalog") {
		return nil
	}
	return w.relationRefusal(r, "It shows sessions, settings or totals of others than the caller.")
}

func (w *walk) relationRefusal(r *tree.RangeVar, hint string) *Refusal {
	name := r.GetRelname()
	if r.GetSchemaname() != "" {
		name = r.GetSchemaname() + "." + name
	}
	return refuse(codePrivilege, fmt.Sprintf("permission denied for relation %s", clip(name)), hint).at(w.sql, r.GetLocation())
}

func reserved(name string) bool { return strings.HasPrefix(name, "pg_") }

// hidden relations show settings, sessions, files, the cluster's state, or totals over all tenants.
func hidden(name string) bool {
	if !reserved(name) {
		return false
	}
	for _, prefix := range []string{
		"pg_stat_", "pg_statio_", "pg_largeobject", "pg_replication_", "pg_shmem_allocations", "pg_buffercache", "pg_available_extension",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"pg_settings", "pg_file_settings", "pg_hba_file_rules", "pg_ident_file_mappings", "pg_config", "pg_seclabels", "pg_wait_events",
		"pg_prepared_statements", "pg_prepared_xacts", "pg_cursors", "pg_locks", "pg_sequences",
		"pg_backend_memory_contexts", "pg_aios", "pg_dshmem_allocations", "pg_subscription", "pg_subscription_rel",
	}, name)
}
