package identity

import (
	"context"
	"net/http"
	"time"
)

// NewListerPausing is NewLister with what it waits by, which a test doesn't want to.
var NewListerPausing = newLister

// NewGenericListerPausing is NewGenericLister, likewise.
var NewGenericListerPausing = newGenericLister

// NewListerOver never waits and asks over a transport, since connections are too slow for a fuzzer.
func NewListerOver(c SourceConfig, over http.RoundTripper) (Lister, error) {
	l, err := newLister(c, func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	switch l := l.(type) {
	case *restList:
		l.client.http.Transport = over
	case *auth0Users:
		l.client.http.Transport = over
	case *stytchMembers:
		l.client.http.Transport = over
	}
	return l, err
}
