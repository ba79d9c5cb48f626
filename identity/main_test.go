package identity_test

import (
	"os"
	"testing"

	"rowpass/db/dbtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(stormURL); url != "" {
		os.Exit(stormInstance(url))
	}
	os.Exit(dbtest.Main(m))
}
