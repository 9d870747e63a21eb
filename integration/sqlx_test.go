package integration

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/asherah-sql/asherah-sql/driver"
)

// member is sqlx's model.
type member struct {
	ID       int64          `db:"id"`
	ClubID   string         `db:"club_id"`
	Name     string         `db:"name"`
	Email    string         `db:"email" encrypt:"club_id"`
	Phone    sql.NullString `db:"phone" encrypt:"club_id"`
	Handicap float64        `db:"handicap" encrypt:"club_id"`
}

// sqlx knows the placeholders of the drivers that it was written with; of others it is told.
func init() {
	sqlx.BindDriver("asherah-postgres", sqlx.DOLLAR)
	sqlx.BindDriver("asherah-mysql", sqlx.QUESTION)
}

func TestSQLX(t *testing.T) { onServers(t, testSQLX) }

func testSQLX(t *testing.T, on server) {
	srv := on.start(t)
	db, err := sqlx.Open(on.encrypted, on.dsn(srv, settings))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.MustExec("CREATE TABLE members (id BIGINT PRIMARY KEY, club_id VARCHAR(40) NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL, phone TEXT, handicap TEXT)")
	ctx := t.Context()
	const insert = "INSERT INTO members (id, club_id, name, email, phone, handicap) VALUES (:id, :club_id, :name, :email, :phone, :handicap)"
	ada := member{1, "acme", "Ada", "ada.lovelace@engine.example", nullString("+44 20 7946 0123"), 12.625}
	more := []member{
		{2, "acme", "Blaise", "blaise.pascal@pari.example", sql.NullString{}, -0.5},
		{3, "globex", "Carl", "c.f.gauss@göttingen.example", nullString("+49 551 0456 0001"), 0},
	}
	if _, err := db.NamedExecContext(ctx, insert, ada); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NamedExecContext(ctx, insert, more); err != nil { // one INSERT with a row for each
		t.Fatal(err)
	}

	var got member
	if err := db.GetContext(ctx, &got, db.Rebind("SELECT * FROM members WHERE id = ?"), 1); err != nil || got != ada {
		t.Errorf("%+v, %v", got, err)
	}
	query, args, err := sqlx.In("SELECT * FROM members WHERE id IN (?) ORDER BY id", []int64{2, 3})
	if err != nil {
		t.Fatal(err)
	}
	var list []member
	if err := db.SelectContext(ctx, &list, db.Rebind(query), args...); err != nil || len(list) != 2 || list[0] != more[0] || list[1] != more[1] {
		t.Errorf("%+v, %v", list, err)
	}
	named, err := db.PrepareNamedContext(ctx, "SELECT email FROM members WHERE club_id = :club_id AND id = :id")
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	var email string
	if err := named.GetContext(ctx, &email, ada); err != nil || email != ada.Email {
		t.Errorf("%q, %v", email, err)
	}
	upsert := " ON DUPLICATE KEY UPDATE email = VALUES(email), phone = VALUES(phone)"
	if on.name == onPostgres.name {
		upsert = " ON CONFLICT (id) DO UPDATE SET club_id = excluded.club_id, email = excluded.email, phone = excluded.phone, handicap = excluded.handicap"
		if _, err := db.NamedExecContext(ctx, insert+" ON CONFLICT (club_id, id) DO NOTHING", ada); err == nil {
			t.Error("there is no such unique index")
		}
	}
	ada.Email = "a.king@lovelace.example"
	if _, err := db.NamedExecContext(ctx, insert+upsert, ada); err != nil {
		t.Fatal(err)
	}

	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	tx.MustExec("SAVEPOINT a")
	if _, err := tx.NamedExec("UPDATE members SET email = :email WHERE id = :id", map[string]any{"id": 1, "email": "taken.back@lovelace.example"}); err != nil {
		t.Fatal(err)
	}
	tx.MustExec("ROLLBACK TO SAVEPOINT a")
	rows, err := tx.Queryx("SELECT id, email, phone FROM members ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		m := map[string]any{}
		if err := rows.MapScan(m); err != nil {
			t.Fatal(err)
		}
		if want := []string{ada.Email, more[0].Email, more[1].Email}[i]; m["email"] != want {
			t.Errorf("%v, want %s", m, want)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close(), tx.Commit()); err != nil {
		t.Fatal(err)
	}

	if err := db.GetContext(ctx, &got, db.Rebind("SELECT * FROM members WHERE email = ?"), ada.Email); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("%v, want a refusal", err)
	}
	on.sealedIn(t, srv, "members", "handicap")
	noneOf(t, "the server's log", srv.Log(), "engine.example", "pari.example", "göttingen.example", "lovelace.example", "7946 0123", "0456 0001", "12.625")
}
