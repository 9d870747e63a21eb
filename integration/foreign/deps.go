package foreign

// The suites' packages, and what only their tests import: named here so that go.mod and go.sum hold what
// building those tests needs.
import (
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/google/pprof/profile"
	_ "github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/jackc/pgx/v5/tracelog"
	_ "github.com/mattn/go-sqlite3"
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/require"
	_ "modernc.org/fileutil"
	_ "modernc.org/sqlite"
)
