package integration

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// author and book are GORM's models: the type of an encrypted column that isn't a string's is said, because
// AutoMigrate would make it a number's.
type author struct {
	ID        int64  `gorm:"primaryKey"`
	TenantID  string `gorm:"not null"`
	Name      string
	Email     string     `encrypt:"tenant_id"`
	Phone     *string    `encrypt:"tenant_id"`
	Royalty   int64      `encrypt:"tenant_id" gorm:"type:text"`
	Born      *time.Time `encrypt:"tenant_id" gorm:"type:text"`
	Signature []byte     `encrypt:"tenant_id" gorm:"type:text"`
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt `gorm:"index"`
	Books     []book
}

type book struct {
	ID       int64 `gorm:"primaryKey"`
	AuthorID int64
	Author   *author
	TenantID string
	Title    string
	Draft    string `encrypt:"tenant_id"`
}

func openGORM(t *testing.T, on server, srv *testserver.Server, cfg gorm.Config) *gorm.DB {
	t.Helper()
	cfg.Logger = logger.Discard
	db := on.open(t, srv)
	dialector := postgres.New(postgres.Config{Conn: db})
	if on.name == onMariaDB.name {
		dialector = mysql.New(mysql.Config{Conn: db})
	}
	g, err := gorm.Open(dialector, &cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGORM(t *testing.T) {
	for name, cfg := range map[string]gorm.Config{
		"default":             {},
		"prepared statements": {PrepareStmt: true},
		"no transactions":     {SkipDefaultTransaction: true},
		"all columns by name": {QueryFields: true},
	} {
		t.Run(name, func(t *testing.T) {
			onServers(t, func(t *testing.T, on server) { testGORM(t, on, cfg) })
		})
	}
}

func testGORM(t *testing.T, on server, cfg gorm.Config) {
	srv := on.start(t)
	g := openGORM(t, on, srv, cfg)
	must := func(tx *gorm.DB) *gorm.DB {
		t.Helper()
		if tx.Error != nil {
			t.Fatal(tx.Error)
		}
		return tx
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, driver.ErrRefused) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	for range 2 { // the second finds all as it should be
		if err := g.AutoMigrate(&author{}, &book{}); err != nil {
			t.Fatal(err)
		}
	}

	phone, born := "+44 20 7946 0123", time.Date(1815, 12, 10, 13, 37, 42, 0, time.UTC)
	ada := author{TenantID: "acme", Name: "Ada", Email: "ada.lovelace@engine.example", Phone: &phone, Royalty: 129_950_017_423, Born: &born, Signature: []byte("\x00ink of ada\xff"),
		Books: []book{{TenantID: "acme", Title: "Notes", Draft: "the first draft's secret"}, {TenantID: "acme", Title: "More", Draft: "another hidden draft"}}}
	must(g.Create(&ada)) // with its books, in one transaction
	must(g.CreateInBatches([]author{
		{TenantID: "acme", Name: "Blaise", Email: "blaise.pascal@pari.example"},
		{TenantID: "globex", Name: "Carl", Email: "c.f.gauss@göttingen.example"},
		{TenantID: "globex", Name: "Daniel", Email: "daniel.bernoulli@basel.example"},
	}, 2))

	var got author
	must(g.Preload("Books", func(tx *gorm.DB) *gorm.DB { return tx.Order("id") }).First(&got, ada.ID))
	if got.Email != ada.Email || *got.Phone != phone || got.Royalty != ada.Royalty || !got.Born.Equal(born) || string(got.Signature) != string(ada.Signature) ||
		len(got.Books) != 2 || got.Books[0].Draft != "the first draft's secret" {
		t.Errorf("%+v", got)
	}
	var books []book
	must(g.Joins("Author").Where("books.title = ?", "More").Find(&books))
	if len(books) != 1 || books[0].Author == nil || books[0].Author.Email != ada.Email || books[0].Draft != "another hidden draft" {
		t.Errorf("%+v", books)
	}
	var emails []string
	must(g.Model(&author{}).Where("tenant_id = ?", "acme").Order("id").Pluck("email", &emails))
	if !slices.Equal(emails, []string{ada.Email, "blaise.pascal@pari.example"}) {
		t.Errorf("%q", emails)
	}
	var n int64
	must(g.Model(&author{}).Where("phone IS NOT NULL").Count(&n))
	if n != 1 {
		t.Errorf("%d with a phone", n)
	}

	// Changes: by the model, by a map, by a column, and by Save, which writes every column.
	must(g.Model(&got).Updates(map[string]any{"email": "a.king@lovelace.example", "phone": nil}))
	must(g.Model(&author{}).Where("name = ? AND tenant_id = ?", "Blaise", "acme").Update("royalty", 141_421_356_237))
	got.Royalty = 1
	got.Books = nil
	must(g.Save(&got))
	// Upserts: a row that is there already takes the new values.
	must(g.Clauses(clause.OnConflict{UpdateAll: true}).Create(&author{ID: got.ID, TenantID: "acme", Name: "Ada", Email: "upserted@engine.example"}))
	must(g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"tenant_id", "email", "phone", "royalty", "born", "signature"})}).
		Create(&author{ID: got.ID, TenantID: "acme", Name: "Ada", Email: "upserted.again@engine.example"}))
	must(g.Clauses(clause.OnConflict{DoNothing: true}).Create(&author{ID: got.ID, TenantID: "acme", Name: "nobody", Email: "not.stored@engine.example"}))
	var again author
	must(g.First(&again, got.ID))
	if again.Email != "upserted.again@engine.example" || again.Phone != nil || again.Royalty != 0 || again.Born != nil {
		t.Errorf("%+v", again)
	}
	found := author{}
	must(g.Where(author{Name: "Emmy", TenantID: "initech"}).Attrs(author{Email: "emmy.noether@erlangen.example"}).FirstOrCreate(&found))
	must(g.Where(author{Name: "Emmy", TenantID: "initech"}).FirstOrCreate(&found))
	if found.Email != "emmy.noether@erlangen.example" {
		t.Errorf("%+v", found)
	}

	// A transaction within one is a savepoint.
	errTaken := errors.New("taken back")
	err := g.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&author{TenantID: "acme", Name: "Felix", Email: "felix.klein@bottle.example"}).Error; err != nil {
			return err
		}
		if err := tx.Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&author{TenantID: "nobody-else", Name: "Grace", Email: "grace.hopper@cobol.example"}).Error; err != nil {
				return err
			}
			return errTaken
		}); !errors.Is(err, errTaken) {
			return err
		}
		return tx.Model(&author{}).Where("name = ?", "Felix").Update("email", "f.klein@bottle.example").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	emails = nil
	must(g.Model(&author{}).Where("name IN ?", []string{"Felix", "Grace"}).Pluck("email", &emails))
	if !slices.Equal(emails, []string{"f.klein@bottle.example"}) {
		t.Errorf("%q", emails)
	}

	// Other ways to read.
	seen := 0
	var batch []author
	must(g.FindInBatches(&batch, 2, func(_ *gorm.DB, _ int) error {
		for _, a := range batch {
			if !strings.Contains(a.Email, "@") {
				t.Errorf("%q", a.Email)
			}
			seen++
		}
		return nil
	}))
	if seen != 6 {
		t.Errorf("%d authors in batches", seen)
	}
	rows, err := g.Model(&author{}).Order("id").Rows()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a author
		if err := g.ScanRows(rows, &a); err != nil || !strings.Contains(a.Email, "@") {
			t.Errorf("%q, %v", a.Email, err)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	var raw struct{ Name, Contact string }
	must(g.Raw("SELECT a.name, a.email AS contact FROM authors a WHERE a.id = ?", got.ID).Scan(&raw))
	if raw.Contact != again.Email {
		t.Errorf("%+v", raw)
	}
	var m map[string]any
	must(g.Model(&author{}).Where("id = ?", got.ID).Take(&m))
	if m["email"] != again.Email {
		t.Errorf("%v", m)
	}
	var deleted []author
	must(g.Clauses(clause.Returning{}).Where("name = ?", "Daniel").Unscoped().Delete(&deleted))
	if len(deleted) != 1 || deleted[0].Email != "daniel.bernoulli@basel.example" {
		t.Errorf("%+v", deleted)
	}
	must(g.Delete(&got)) // soft: an UPDATE of deleted_at

	// What docs/tools.md says is refused.
	refused("search", g.Where("email = ?", "x").Find(&batch).Error)
	refused("search by the model", g.Where(author{Email: "x"}).Find(&batch).Error)
	refused("order", g.Order("email").Find(&batch).Error)
	refused("distinct", g.Model(&author{}).Distinct("email").Pluck("email", &emails).Error)
	refused("expression", g.Model(&got).UpdateColumn("email", gorm.Expr("lower(email)")).Error)
	refused("another tenant", g.Model(&got).UpdateColumn("tenant_id", "globex").Error)
	stolen := func(tenant string) error {
		return g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"email"})}).
			Create(&author{ID: got.ID, TenantID: tenant, Email: "stolen@engine.example"}).Error
	}
	if on.name == onMariaDB.name {
		// There the server tells whose row it is.
		if err := stolen("globex"); err == nil || !strings.Contains(err.Error(), "another partition") {
			t.Errorf("upsert over another tenant's row: %v", err)
		}
		if err := stolen("acme"); err != nil {
			t.Error(err)
		}
	} else {
		refused("upsert without the tenant", stolen("globex"))
	}

	for _, column := range []string{"email", "phone", "royalty", "born", "signature"} {
		if column == "phone" || column == "born" || column == "signature" {
			continue // NULL by now
		}
		on.sealedIn(t, srv, "authors", column)
	}
	on.sealedIn(t, srv, "books", "draft")
	noneOf(t, "the server's log", srv.Log(), "engine.example", "pari.example", "göttingen.example", "basel.example", "lovelace.example", "erlangen.example", "bottle.example", "cobol.example",
		"7946 0123", "129950017423", "141421356237", "13:37:42", "ink of ada", "draft's secret", "hidden draft")
}

// TestGORMMigrations: what AutoMigrate makes of tags that ciphertext doesn't go with is refused, when it is
// made or at the next use, before any value is sent.
func TestGORMMigrations(t *testing.T) {
	t.Run("a default", func(t *testing.T) {
		g := openGORM(t, onPostgres, testserver.Postgres(t), gorm.Config{})
		if err := g.Exec("CREATE TABLE authors (id BIGINT PRIMARY KEY, tenant_id TEXT, email TEXT DEFAULT 'nobody@example.org')").Error; !errors.Is(err, driver.ErrRefused) {
			t.Errorf("%v", err)
		}
	})
	for name, ddl := range map[string]string{
		"a number's type": "royalty BIGINT",
		"a short type":    "royalty VARCHAR(100)",
		"a unique column": "royalty TEXT UNIQUE",
	} {
		t.Run(name, func(t *testing.T) {
			srv := testserver.Postgres(t)
			g := openGORM(t, onPostgres, srv, gorm.Config{})
			ddl := "CREATE TABLE authors (id BIGSERIAL PRIMARY KEY, tenant_id TEXT, name TEXT, email TEXT, phone TEXT, born TEXT, signature TEXT, updated_at TIMESTAMPTZ, deleted_at TIMESTAMPTZ, " + ddl + ")"
			if err := g.Exec(ddl).Error; err != nil {
				t.Fatal(err)
			}
			err := g.Create(&author{TenantID: "acme", Email: "ada.lovelace@engine.example"}).Error
			if !errors.Is(err, driver.ErrSchemaMismatch) || !strings.Contains(err.Error(), "authors.royalty") || !strings.Contains(err.Error(), "ALTER TABLE") {
				t.Errorf("%v, want what to alter", err)
			}
			noneOf(t, "the server's log", srv.Log(), "engine.example")
		})
	}
}
