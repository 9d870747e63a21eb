package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// Each transaction, and each statement outside of one, may run in another of the few sessions that PgBouncer
// shares among its clients. The modes are those that pgx itself can use there.
var bouncerModes = []string{"cache_describe", "exec", "simple_protocol"}

// bouncerPool is how many sessions testserver.PgBouncer opens on the server.
const bouncerPool = 4

// TestThroughPgBouncer: keys go through the same PgBouncer. A transaction keeps one of its sessions to itself
// while it waits for a key that nobody has used yet, so that here new tenants come outside of transactions.
func TestThroughPgBouncer(t *testing.T) {
	for _, mode := range bouncerModes {
		t.Run(mode, func(t *testing.T) { testThroughPgBouncer(t, mode, false) })
	}
}

// TestKeysPastPgBouncer: with a way of their own, keys are made in the middle of more transactions than
// PgBouncer has sessions for.
func TestKeysPastPgBouncer(t *testing.T) {
	for _, mode := range bouncerModes {
		t.Run(mode, func(t *testing.T) { testThroughPgBouncer(t, mode, true) })
	}
}

func testThroughPgBouncer(t *testing.T, mode string, past bool) {
	const (
		programs = 20
		rounds   = 6
	)
	srv := testserver.Postgres(t)
	direct := open(t, "pgx", postgresDSN(srv))
	if _, err := direct.Exec("CREATE TABLE patients (id BIGINT PRIMARY KEY, clinic_id TEXT NOT NULL, name TEXT NOT NULL, disease TEXT)"); err != nil {
		t.Fatal(err)
	}
	dsn := bouncerDSN(t, srv, mode)
	if past {
		t.Setenv("SHOP_KEYS_DSN", srv.DSN(""))
		dsn += "&asherah_metastore_dsn=env:SHOP_KEYS_DSN"
	}
	db := open(t, "asherah-postgres", dsn)
	db.SetMaxOpenConns(programs)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	disease := func(id int) string { return fmt.Sprintf("the secret disease of patient %d", id) }
	clinic := func(program, round int) string {
		if round%2 == 0 {
			return "shared" // its key is made by whoever comes first
		}
		return fmt.Sprintf("clinic-%d-%d", program, round)
	}
	fresh := func(program, round int) string { // a tenant that comes up within a transaction
		if past {
			return fmt.Sprintf("fresh-%d-%d", program, round)
		}
		return "shared"
	}
	work := func(program int) error {
		for round := range rounds {
			id := program*1000 + round*10
			if _, err := db.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, $3, $4)", id, clinic(program, round), `a \ b`, "to be changed"); err != nil {
				return fmt.Errorf("insert: %w", err)
			}
			// Without the partition: it is looked up first.
			if _, err := db.ExecContext(ctx, "UPDATE patients SET disease = $1 WHERE id = $2", disease(id), id); err != nil {
				return fmt.Errorf("update: %w", err)
			}
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			// Literals, one of them with a backslash: how it is read is asked for.
			literal := fmt.Sprintf(`INSERT INTO patients (id, clinic_id, name, disease) VALUES (%d, '%s', 'a \ b', '%s') RETURNING disease`, id+1, clinic(program, round), disease(id+1))
			var got string
			if err = tx.QueryRowContext(ctx, literal).Scan(&got); err == nil && got != disease(id+1) {
				err = fmt.Errorf("returning gives %q", got)
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "SAVEPOINT a")
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, $3, $4)", id+2, fresh(program, round), "x", disease(id+2))
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT a")
			}
			if err != nil {
				return errors.Join(err, tx.Rollback())
			}
			end := tx.Commit
			if round%3 == 0 {
				end = tx.Rollback
			}
			if err := end(); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, programs)
	for program := range programs {
		wg.Go(func() { errs[program] = work(program) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}

	rows, err := db.QueryContext(ctx, "SELECT * FROM patients ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id int
		var clinicID, name string
		var got sql.NullString
		if err := rows.Scan(&id, &clinicID, &name, &got); err != nil {
			t.Fatal(err)
		}
		n++
		if got.String != disease(id) || name != `a \ b` {
			t.Errorf("patient %d of %s: %q, %q", id, clinicID, name, got.String)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	committed := 0
	for round := range rounds {
		committed++
		if round%3 != 0 {
			committed++
		}
	}
	if n != programs*committed {
		t.Errorf("%d rows, want %d", n, programs*committed)
	}

	// One key for each clinic, whoever raced for it, also for those that were taken back.
	var keys, clinics, sessions int
	if err := direct.QueryRow("SELECT count(*), count(DISTINCT id) FROM encryption_key WHERE id LIKE '!_IK!_%' ESCAPE '!'").Scan(&keys, &clinics); err != nil {
		t.Fatal(err)
	}
	want := 1 + programs*rounds/2
	if past {
		want += programs * rounds
	}
	if keys != want || clinics != want {
		t.Errorf("%d keys of %d clinics, want one each of %d", keys, clinics, want)
	}
	if err := direct.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()").Scan(&sessions); err != nil {
		t.Fatal(err)
	}
	if most := bouncerPool + map[bool]int{true: 2}[past]; sessions > most {
		t.Errorf("%d sessions on the server: this isn't through PgBouncer", sessions)
	}
	onPostgres.sealedIn(t, srv, "patients", "disease")
	noneOf(t, "the server's log", srv.Log(), "the secret disease", "to be changed")
}

func bouncerDSN(t *testing.T, srv *testserver.Server, mode string) string {
	t.Helper()
	dsn := testserver.PgBouncer(t, srv)
	return dsn + map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + settings + "&default_query_exec_mode=" + mode
}

// TestTransactionsThatKeepPgBouncersSessions: when as many transactions as PgBouncer has sessions wait for
// new keys through it, none can be made. Their contexts end that, with errors; nothing is sent in the clear,
// and all works again afterwards. docs/tools.md says how to have it otherwise.
func TestTransactionsThatKeepPgBouncersSessions(t *testing.T) {
	srv := testserver.Postgres(t)
	if _, err := open(t, "pgx", postgresDSN(srv)).Exec("CREATE TABLE patients (id BIGINT PRIMARY KEY, clinic_id TEXT NOT NULL, name TEXT NOT NULL, disease TEXT)"); err != nil {
		t.Fatal(err)
	}
	db := open(t, "asherah-postgres", bouncerDSN(t, srv, "exec"))
	insert := func(ctx context.Context, tx *sql.Tx, id int) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, 'x', $3)", id, fmt.Sprintf("clinic-%d", id), "the secret disease")
		return err
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var txs []*sql.Tx
	for range bouncerPool {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(txs))
	for i, tx := range txs {
		wg.Go(func() { errs[i] = insert(ctx, tx, i) })
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("transaction %d: %v", i, err)
		}
		if err := txs[i].Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			t.Logf("rollback %d: %v", i, err)
		}
	}
	after, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tx, err := db.BeginTx(after, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(insert(after, tx, 7), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	onPostgres.sealedIn(t, srv, "patients", "disease")
	noneOf(t, "the server's log", srv.Log(), "the secret disease")
}

// TestKnownKeysInTransactionsThatKeepPgBouncersSessions: a new connection makes keys be confirmed. Transactions
// that keep all of PgBouncer's sessions don't wait for that: their keys are known.
func TestKnownKeysInTransactionsThatKeepPgBouncersSessions(t *testing.T) {
	srv := testserver.Postgres(t)
	if _, err := open(t, "pgx", postgresDSN(srv)).Exec("CREATE TABLE patients (id BIGINT PRIMARY KEY, clinic_id TEXT NOT NULL, name TEXT NOT NULL, disease TEXT)"); err != nil {
		t.Fatal(err)
	}
	db := open(t, "asherah-postgres", bouncerDSN(t, srv, "exec"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	insert := func(c interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}, id, clinic int) error {
		_, err := c.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, 'x', $3)", id, fmt.Sprintf("clinic-%d", clinic), "the secret disease")
		return err
	}
	for i := range bouncerPool {
		if err := insert(db, i, i); err != nil {
			t.Fatal(err)
		}
	}
	var txs []*sql.Tx
	for range bouncerPool {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	another, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	time.Sleep(1100 * time.Millisecond) // requests to confirm that follow each other within a second are one
	var wg sync.WaitGroup
	errs := make([]error, len(txs))
	for i, tx := range txs {
		wg.Go(func() { errs[i] = errors.Join(insert(tx, 100+i, i), tx.Commit()) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	onPostgres.sealedIn(t, srv, "patients", "disease")
}
