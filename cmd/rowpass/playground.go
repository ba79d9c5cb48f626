package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rowpass/api"
	"rowpass/db"
	"rowpass/doctor"
)

// demoUsers lists a demo's users as the owner; nil where there is no owner's login, and for anything but a demo.
func (s *service) demoUsers() api.DemoUsers {
	if !s.config.Issuer.Demo || s.logins.owner == "" {
		return nil
	}
	return func(ctx context.Context, limit int) ([]db.UserRow, error) {
		return db.FirstUsers(ctx, s.logins.owner, limit)
	}
}

// explanations are the playground's, made as rowpass explain makes them, but for the caller's own eyes; nil as demoUsers is.
func (s *service) explanations() api.Explain {
	if !s.config.Issuer.Demo || s.logins.owner == "" {
		return nil
	}
	return func(ctx context.Context, role string, claims json.RawMessage, table, row string) (any, error) {
		found, err := doctor.Explain(ctx, doctor.ExplainConfig{
			OwnerURL: s.logins.owner, GatewayURL: s.logins.gateway, Role: role, Claims: claims, Table: table, Row: row, ToCaller: true,
			AuthSchema: s.config.Database.AuthSchema,
		})
		switch {
		case errors.Is(err, doctor.ErrNoTable):
			return nil, api.ErrTable
		case errors.Is(err, doctor.ErrRow):
			return nil, api.ErrRow
		case errors.Is(err, doctor.ErrLocked):
			return nil, fmt.Errorf("%w: another session holds a lock on the table", db.ErrTimeout)
		case err != nil:
			return nil, fmt.Errorf("explaining: %w", err)
		}
		return found, nil
	}
}
