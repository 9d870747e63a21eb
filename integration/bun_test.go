package integration

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"

	"github.com/asherah-sql/asherah-sql/driver"
)

// reader and loan are bun's models. bun writes every value into the statement's text.
type reader struct {
	bun.BaseModel `bun:"table:readers,alias:r"`

	ID        int64     `bun:"id,pk,autoincrement"`
	LibraryID string    `bun:"library_id,notnull"`
	Name      string    `bun:"name"`
	Email     string    `bun:"email,type:text" encrypt:"library_id"`
	Notes     *string   `bun:"notes,type:text" encrypt:"library_id"`
	Fines     int64     `bun:"fines,type:text" encrypt:"library_id"`
	Born      time.Time `bun:"born,type:text,nullzero" encrypt:"library_id"`
	Loans     []*loan   `bun:"rel:has-many,join:id=reader_id"`
}

type loan struct {
	bun.BaseModel `bun:"table:loans,alias:l"`

	ID        int64   `bun:"id,pk,autoincrement"`
	ReaderID  int64   `bun:"reader_id"`
	LibraryID string  `bun:"library_id"`
	Title     string  `bun:"title,type:text" encrypt:"library_id"`
	Reader    *reader `bun:"rel:belongs-to,join:reader_id=id"`
}

func TestBun(t *testing.T) { onServers(t, testBun) }

func testBun(t *testing.T, on server) {
	srv := on.start(t)
	dialect := schema.Dialect(pgdialect.New())
	if on.name == onMariaDB.name {
		dialect = mysqldialect.New()
	}
	db := bun.NewDB(on.open(t, srv), dialect)
	ctx := t.Context()
	for _, model := range []any{(*reader)(nil), (*loan)(nil)} {
		if _, err := db.NewCreateTable().Model(model).Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// Quotes, backslashes and what looks like a placeholder, as literals.
	notes := `it's a \'note\', worth $1 or ? or ''two'' — naïve`
	ada := &reader{LibraryID: "acme", Name: "Ada", Email: "ada.lovelace@engine.example", Notes: &notes, Fines: 129_950_017_423, Born: time.Date(1815, 12, 10, 13, 37, 42, 0, time.UTC)}
	if _, err := db.NewInsert().Model(ada).Exec(ctx); err != nil || ada.ID == 0 {
		t.Fatalf("%+v, %v", ada, err)
	}
	more := []*reader{
		{LibraryID: "acme", Name: "Blaise", Email: "blaise.pascal@pari.example"},
		{LibraryID: "globex", Name: "Carl", Email: "c.f.gauss@göttingen.example"},
	}
	if _, err := db.NewInsert().Model(&more).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	loans := []*loan{{ReaderID: ada.ID, LibraryID: "acme", Title: "the forbidden book"}, {ReaderID: more[1].ID, LibraryID: "globex", Title: "the harmless one's twin"}}
	if _, err := db.NewInsert().Model(&loans).Exec(ctx); err != nil {
		t.Fatal(err)
	}

	got := new(reader)
	if err := db.NewSelect().Model(got).Relation("Loans").Where("r.id = ?", ada.ID).Scan(ctx); err != nil {
		t.Fatal(err)
	}
	if got.Email != ada.Email || got.Notes == nil || *got.Notes != notes || got.Fines != ada.Fines || !got.Born.Equal(ada.Born) || len(got.Loans) != 1 || got.Loans[0].Title != "the forbidden book" {
		t.Errorf("%+v", got)
	}
	var joined []*loan
	if err := db.NewSelect().Model(&joined).Relation("Reader").OrderExpr("l.id").Scan(ctx); err != nil {
		t.Fatal(err)
	}
	if len(joined) != 2 || joined[1].Reader == nil || joined[1].Reader.Email != "c.f.gauss@göttingen.example" || joined[1].Title != "the harmless one's twin" {
		t.Errorf("%+v", joined)
	}

	ada.Email = "a.king@lovelace.example"
	if _, err := db.NewUpdate().Model(ada).Column("email").WherePK().Exec(ctx); err != nil {
		t.Fatal(err)
	}
	ada.Fines = 7
	if _, err := db.NewUpdate().Model(ada).WherePK().Exec(ctx); err != nil { // every column
		t.Fatal(err)
	}
	upsert := db.NewInsert().Model(ada)
	if on.name == onMariaDB.name {
		upsert = upsert.On("DUPLICATE KEY UPDATE").Set("email = VALUES(email)").Set("notes = VALUES(notes)")
	} else {
		upsert = upsert.On("CONFLICT (id) DO UPDATE").Set("library_id = EXCLUDED.library_id").Set("email = EXCLUDED.email").
			Set("notes = EXCLUDED.notes").Set("fines = EXCLUDED.fines").Set("born = EXCLUDED.born")
	}
	if _, err := upsert.Exec(ctx); err != nil {
		t.Fatal(err)
	}

	errTaken := errors.New("taken back")
	err := db.RunInTx(ctx, &sql.TxOptions{}, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewUpdate().Model((*reader)(nil)).Set("notes = ?", `back\slash`).Where("id = ?", more[0].ID).Exec(ctx); err != nil {
			return err
		}
		err := tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { // a savepoint
			if _, err := tx.NewInsert().Model(&reader{LibraryID: "nowhere", Email: "grace.hopper@cobol.example"}).Exec(ctx); err != nil {
				return err
			}
			return errTaken
		})
		if !errors.Is(err, errTaken) {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []reader
	if err := db.NewSelect().Model(&all).OrderExpr("id").Scan(ctx); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].Email != ada.Email || all[0].Fines != 7 || all[1].Notes == nil || *all[1].Notes != `back\slash` {
		t.Errorf("%+v", all)
	}
	var emails []string
	if err := db.NewSelect().Model((*reader)(nil)).Column("email").Where("library_id = ?", "globex").Scan(ctx, &emails); err != nil || len(emails) != 1 || !strings.Contains(emails[0], "gauss") {
		t.Errorf("%q, %v", emails, err)
	}
	if n, err := db.NewSelect().Model((*reader)(nil)).Where("notes IS NULL").Count(ctx); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if exists, err := db.NewSelect().Model((*reader)(nil)).Where("id = ?", ada.ID).Exists(ctx); err != nil || !exists {
		t.Errorf("%t, %v", exists, err)
	}
	var gone []reader
	if _, err := db.NewDelete().Model(&gone).Where("name = ?", "Blaise").Returning("*").Exec(ctx); err != nil || len(gone) != 1 || gone[0].Email != "blaise.pascal@pari.example" {
		t.Errorf("%+v, %v", gone, err)
	}

	for what, err := range map[string]error{
		"search":      db.NewSelect().Model(&all).Where("email = ?", ada.Email).Scan(ctx),
		"order":       db.NewSelect().Model(&all).Order("email").Scan(ctx),
		"bulk update": func() error { _, err := db.NewUpdate().Model(&more).Column("email").Bulk().Exec(ctx); return err }(),
	} {
		if !errors.Is(err, driver.ErrRefused) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	on.sealedIn(t, srv, "readers", "fines")
	on.sealedIn(t, srv, "loans", "title")
	noneOf(t, "the server's log", srv.Log(), "engine.example", "pari.example", "göttingen.example", "lovelace.example", "cobol.example", "129950017423", "13:37:42",
		"naïve", `back\slash`, `back\\slash`, "forbidden book", "harmless one")
}
