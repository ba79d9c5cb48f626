package statement_test

import (
	"os"
	"testing"

	"rowpass/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
