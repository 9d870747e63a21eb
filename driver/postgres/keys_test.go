package postgres_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

const insertUser = `INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3)`

// keysOf counts the rows of a partition's key.
func (d *database) keysOf(t testing.TB, partition string) string {
	t.Helper()
	return one(t, context.Background(), d.plain, `SELECT count(*) FROM encryption_key WHERE id = $1`, "_IK_"+partition+"_shop_web")
}

// afresh reads an email with keys that come from the table.
func (d *database) afresh(t testing.TB, id int) string {
	t.Helper()
	db := connect(t, d.srv.DSN(""), config(t))
	defer db.Close()
	return one(t, context.Background(), db, `SELECT email FROM users WHERE id = $1`, id)
}

func TestAPoolOfOneCanMakeKeysInATransaction(t *testing.T) {
	d := open(t)
	d.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		mustExecContext(t, ctx, tx, insertUser, i, fmt.Sprintf("t%d", i), secret)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := d.afresh(t, 4); got != secret {
		t.Error(got)
	}
}

func TestARollbackTakesNoKeyBack(t *testing.T) {
	d := open(t)
	for _, way := range []string{"Rollback", "text", "savepoint", "error"} {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, `SAVEPOINT s`)
		mustExec(t, tx, insertUser, 1, way, secret)
		switch way {
		case "text":
			mustExec(t, tx, `ROLLBACK`)
		case "savepoint":
			mustExec(t, tx, `ROLLBACK TO SAVEPOINT s`)
		case "error":
			if _, err := tx.Exec(`SELECT 1/0`); err == nil {
				t.Fatal("no error")
			}
			// A transaction that the server has given up takes no more statements, and says so as ever.
			_, err := tx.Exec(insertUser, 2, "later", secret)
			if state := (interface{ SQLState() string })(nil); !errors.As(err, &state) || state.SQLState() != "25P02" {
				t.Errorf("in an aborted transaction: %v", err)
			}
		}
		if err := tx.Rollback(); err != nil && way != "text" {
			t.Errorf("%s: %v", way, err)
		}
		if got := d.keysOf(t, way); got != "1" {
			t.Errorf("%s: %s keys", way, got)
		}
		mustExec(t, d, insertUser, 1, way, secret)
		if got := d.afresh(t, 1); got != secret {
			t.Errorf("%s: %s", way, got)
		}
		mustExec(t, d, `DELETE FROM users`)
		if got := d.keysOf(t, way); got != "1" {
			t.Errorf("%s: %s keys afterwards", way, got)
		}
	}
}

func TestAReadOnlySessionMakesKeysElsewhere(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	reader := with(d.dsn, "default_transaction_read_only", "on")
	// Reading needs no other connection.
	ro := connect(t, reader, config(t))
	if got := one(t, context.Background(), ro, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	// A key that must be made does, and the error says what is wrong.
	_, err := ro.Exec(`WITH x AS (SELECT 1) UPDATE users SET email = $1 WHERE id = 1 AND tenant_id = $2`, "x-"+secret, "unheard of")
	if err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a key in a read-only session: %v", err)
	}
	t.Setenv("PG_TEST_KEYS_DSN", d.dsn)
	cfg := config(t)
	cfg.MetastoreDSN = "env:PG_TEST_KEYS_DSN"
	elsewhere := connect(t, reader, cfg)
	s, err := driver.NewSealer(context.Background(), connector(t, reader, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Seal(context.Background(), "users", "email", map[string]any{"tenant_id": "made elsewhere"}, secret); err != nil {
		t.Errorf("keys through asherah_metastore_dsn: %v", err)
	}
	if got := d.keysOf(t, "made elsewhere"); got != "1" {
		t.Errorf("%s keys", got)
	}
	if got := one(t, context.Background(), elsewhere, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	// Where the key table isn't there and can't be made, the DDL is in the error.
	empty := testserver.Postgres(t)
	mustExec(t, openPlain(t, empty.DSN("")), usersDDL)
	err = connect(t, with(empty.DSN(""), "default_transaction_read_only", "on"), config(t)).Ping()
	if err == nil || !strings.Contains(err.Error(), "CREATE TABLE") {
		t.Errorf("no key table in a read-only database: %v", err)
	}
}

func TestAPoolConnectorNeedsKeysElsewhere(t *testing.T) {
	d := open(t)
	pc, err := pgxpool.ParseConfig(d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	pc.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c, err := driver.WrapConnector(stdlib.GetPoolConnector(pool), dialect.Postgres, config(t))
	if err == nil {
		err = sql.OpenDB(c).Ping()
	}
	if err == nil || !strings.Contains(err.Error(), "asherah_metastore_dsn") {
		t.Errorf("keys out of a pool that may be empty: %v", err)
	}
	cfg := config(t)
	if cfg.MetastoreConnector, err = stdlib.GetDefaultDriver().(*stdlib.Driver).OpenConnector(d.dsn); err != nil {
		t.Fatal(err)
	}
	if c, err = driver.WrapConnector(stdlib.GetPoolConnector(pool), dialect.Postgres, cfg); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxIdleConns(0)
	mustExec(t, db, insertUser, 1, "acme", secret)
	if got := one(t, context.Background(), db, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
}

func TestADriftOfSettingsIsRefused(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	other := config(t)
	k, err := static.New(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other.KMS = k
	if err := connect(t, d.dsn, other).Ping(); !errors.Is(err, driver.ErrDrift) {
		t.Errorf("another master key: %v", err)
	}
	if got := d.afresh(t, 1); got != secret {
		t.Error(got)
	}
}

// A failover to a server that hadn't got a key row yet: the row is stored again, byte for byte, before
// anything more is sealed with the key.
func TestAKeyRowThatAFailoverLostIsStoredAgain(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	dump := func() string {
		return one(t, context.Background(), d.plain, `SELECT string_agg(id || created || key_record, ' ' ORDER BY id) FROM encryption_key WHERE id LIKE '\_IK%' OR id LIKE '\_SK%'`)
	}
	before := dump()
	mustExec(t, d.plain, `DELETE FROM encryption_key WHERE id LIKE '\_IK%' OR id LIKE '\_SK%'`)
	mustExec(t, d.plain, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	deadline := time.Now().Add(20 * time.Second)
	for one(t, context.Background(), d.plain, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`) != "0" {
		if time.Now().After(deadline) {
			t.Fatal("connections don't end")
		}
	}
	for {
		// The connections that were cut are noticed first.
		_, err := d.Exec(insertUser, 2, "acme", secret)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if after := dump(); after != before {
		t.Errorf("keys before: %s\nafter: %s", before, after)
	}
	for id := 1; id <= 2; id++ {
		if got := d.afresh(t, id); got != secret {
			t.Errorf("row %d: %q", id, got)
		}
	}
}

// TestRacingProcess isn't a test of its own: it is the process that the next one starts.
func TestRacingProcess(t *testing.T) {
	drivertest.Racer(t, insertUser, func(dsn string) *sql.DB { return connect(t, dsn, config(t)) })
}

func TestTwoProcessesMakeEachKeyOnce(t *testing.T) {
	srv := testserver.Postgres(t)
	plain := openPlain(t, srv.DSN(""))
	mustExec(t, plain, usersDDL)
	most := drivertest.Race(t, "TestRacingProcess", srv.DSN(""))
	const raceKeys = drivertest.RaceKeys
	ctx := context.Background()
	if got := one(t, ctx, plain, `SELECT count(*) FROM users`); got != fmt.Sprint(2*raceKeys) {
		t.Fatalf("%s rows", got)
	}
	if got, err := strconv.Atoi(one(t, ctx, plain, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_IK\_tenant%'`)); err != nil || got < raceKeys || got > most {
		t.Errorf("%d intermediate keys of %d partitions", got, raceKeys)
	}
	if got := one(t, ctx, plain, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_SK\_%'`); got != "1" {
		t.Errorf("%s system keys", got)
	}
	drivertest.ReadNumbered(t, connect(t, srv.DSN(""), config(t)), drivertest.RaceBase, 2*raceKeys)
}

// Two processes whose clocks are 90 s apart meet in the same keys, whoever is first.
func TestClocksApart(t *testing.T) {
	srv := testserver.Postgres(t)
	plain := openPlain(t, srv.DSN(""))
	ctx := context.Background()
	now := time.Date(2026, 5, 6, 7, 8, 30, 0, time.UTC)
	var sides []*envelope.SessionFactory
	for _, ahead := range []time.Duration{0, 90 * time.Second} {
		db := openPlain(t, srv.DSN(""))
		db.SetMaxOpenConns(4)
		store, err := sqlstore.New(db, dialect.Postgres)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Ensure(ctx); err != nil {
			t.Fatal(err)
		}
		k, err := static.New(bytes.Clone(masterKey))
		if err != nil {
			t.Fatal(err)
		}
		f, err := envelope.NewSessionFactory(envelope.Config{Service: "shop", Product: "web"}, store, k, envelope.WithClock(func() time.Time { return now.Add(ahead) }))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sides = append(sides, f)
	}
	const partitions = 200
	records := make([][2]*envelope.DataRowRecord, partitions)
	var wg sync.WaitGroup
	for side, f := range sides {
		for _, p := range rand.Perm(partitions) {
			wg.Go(func() {
				s, err := f.Session(ctx, fmt.Sprint("p", p))
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				rec, err := s.Encrypt(ctx, []byte(secret))
				if err != nil {
					t.Error(err)
					return
				}
				records[p][side] = rec
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for p := range records {
		for side, rec := range records[p] {
			s, err := sides[1-side].Session(ctx, fmt.Sprint("p", p))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := s.Decrypt(ctx, *rec); err != nil || string(text) != secret {
				t.Errorf("partition %d, written with clock %d: %v", p, side, err)
			}
			s.Close()
		}
	}
	// Whoever found no key made one in the step of its own clock: never two in one step.
	got := one(t, ctx, plain, `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM encryption_key GROUP BY id, date_trunc('minute', created)) x`)
	if got != "1" {
		t.Errorf("%s keys of one partition in one step", got)
	}
	if got := one(t, ctx, plain, `SELECT count(DISTINCT id) FROM encryption_key WHERE id LIKE '\_IK%'`); got != fmt.Sprint(partitions) {
		t.Errorf("%s partitions have keys", got)
	}
}
