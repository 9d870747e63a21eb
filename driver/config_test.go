package driver_test

import (
	"database/sql"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/tags"
)

func TestSplitDSN(t *testing.T) {
	for _, c := range []struct {
		d          dialect.Dialect
		dsn, plain string
	}{
		{dialect.SQLite, "a.db", "a.db"},
		{dialect.SQLite, "a.db?asherah_service=s&asherah_product=p", "a.db"},
		{dialect.SQLite, "file:a%20b.db?_pragma=foreign_keys(1)&asherah_service=s&cache=shared&asherah_product=p", "file:a%20b.db?_pragma=foreign_keys(1)&cache=shared"},
		{dialect.SQLite, "a.db?x=%zz&y", "a.db?x=%zz&y"},
		{dialect.SQLite, "a.db?x=%zz&y&asherah%5Fservice=s&asherah_product=p", "a.db?x=%zz&y"},
		{dialect.MySQL, "u:p?w@tcp(h:1)/db", "u:p?w@tcp(h:1)/db"},
		{dialect.MySQL, "u:p?://w@tcp(h:1)/db?asherah_product=p&asherah_service=s", "u:p?://w@tcp(h:1)/db"},
		{dialect.MySQL, "u:pw@tcp(h:1)/db?asherah_product=p&parseTime=true&asherah_service=s", "u:pw@tcp(h:1)/db?parseTime=true"},
		{dialect.Postgres, "postgres://u:p@h/db?sslmode=disable&asherah_service=s&asherah_product=p", "postgres://u:p@h/db?sslmode=disable"},
		{dialect.Postgres, `host=h  asherah_service=s password='a b\'c' asherah_product = 'p' dbname=d`, `host=h password='a b\'c' dbname=d`},
		{dialect.Postgres, "host=h dbname=d", "host=h dbname=d"},
		{dialect.Postgres, "postgres:///?dbname=asherah_shop&asherah_service=s&search_path=asherah_x&asherah_product=p", "postgres:///?dbname=asherah_shop&search_path=asherah_x"},
		{dialect.SQLServer, "sqlserver://h?database=d&asherah_service=s&asherah_product=p", "sqlserver://h?database=d"},
		{dialect.SQLServer, "server=h;asherah_service=s;database=d; asherah_product=p", "server=h;database=d"},
		{dialect.Oracle, "oracle://u:p@h/s?asherah_service=s&asherah_product=p&SSL=true", "oracle://u:p@h/s?SSL=true"},
	} {
		plain, cfg, err := asherah.SplitDSN(c.d, c.dsn)
		if err != nil || plain != c.plain {
			t.Errorf("%v %s:\ngot  %s, %v\nwant %s", c.d, c.dsn, plain, err, c.plain)
		}
		if strings.Contains(c.dsn, "asherah") && (cfg.Service != "s" || cfg.Product != "p") {
			t.Errorf("%v %s: service %q, product %q", c.d, c.dsn, cfg.Service, cfg.Product)
		}
	}
}

func TestEveryParameterReachesTheConfig(t *testing.T) {
	_, cfg, err := asherah.SplitDSN(dialect.SQLite, "a.db?asherah_service=s&asherah_product=p&asherah_partition=t&asherah_kms=static&asherah_kms_key=env:K&asherah_format=asherah"+
		"&asherah_metastore=require&asherah_metastore_table=keys.k&asherah_metastore_dsn=env:D&asherah_expire_after=30d&asherah_revoke_check=90s&asherah_cache=lru&asherah_cache_size=7"+
		"&asherah_session_cache_size=8&asherah_datakey_reuse=9&asherah_verify=off&asherah_unpinned=refuse")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Service != "s" || cfg.Product != "p" || cfg.Partition != "t" || cfg.KMSName != "static" || cfg.KMSParams["key"] != "env:K" || cfg.Format != tags.FormatAsherah ||
		cfg.Metastore != asherah.MetastoreRequire || cfg.MetastoreTable != "keys.k" || cfg.MetastoreDSN != "env:D" || cfg.ExpireAfter.Hours() != 720 || cfg.RevokeCheck.Seconds() != 90 ||
		cfg.Cache.String() != "lru" || cfg.CacheSize != 7 || cfg.SessionCacheSize != 8 || cfg.DataKeyReuse != 9 || !cfg.SkipVerify || !cfg.RefuseUnpinned {
		t.Errorf("%+v", cfg)
	}
}

// TestBadSettingsAreErrorsOfOpen: each names the parameter and the remedy and repeats nothing that could be
// a key.
func TestBadSettingsAreErrorsOfOpen(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", hex.EncodeToString(masterKey)+"\n")
	t.Setenv("GOOD_KEY", hex.EncodeToString(masterKey))
	t.Setenv("SHORT_KEY", secret+secret)
	base := "asherah_service=s&asherah_product=p&"
	static := base + "asherah_kms=static&asherah_kms_key="
	for _, c := range []struct{ name, params, want string }{
		{"unknown parameter", static + "env:GOOD_KEY&asherah_servise=x", "asherah_servise: unknown parameter: want one of asherah_cache"},
		{"wrong case", static + "env:GOOD_KEY&Asherah_Partition=x", "Asherah_Partition: unknown parameter"},
		{"unknown KMS parameter", static + "env:GOOD_KEY&asherah_kms_region=x", "asherah_kms_region"},
		{"twice", static + "env:GOOD_KEY&asherah_service=s", "asherah_service: given twice"},
		{"empty value", static + "env:GOOD_KEY&asherah_partition=", "asherah_partition: empty"},
		{"no service", "asherah_product=p&asherah_kms=static&asherah_kms_key=env:GOOD_KEY", "asherah_service is missing: give it in the connection string"},
		{"no product", "asherah_service=p&asherah_kms=static&asherah_kms_key=env:GOOD_KEY", "asherah_product is missing"},
		{"no KMS", base + "asherah_partition=x", "asherah_kms is missing: want one of"},
		{"unknown KMS", base + "asherah_kms=vaultt", "vaultt"},
		{"no key", base + "asherah_kms=static", "asherah_kms_key"},
		{"short key", static + "env:SHORT_KEY", "asherah_kms_key"},
		{"unset key variable", static + "env:NO_SUCH_KEY", "NO_SUCH_KEY"},
		{"unreadable key file", static + "file:" + filepath.Join(dir, "none"), "asherah_kms_key"},
		{"short key file", static + "file:" + file("short", secret), "want"},
		{"key in the string", static + secret + strings.Repeat("ab", 29), "env:NAME"},
		{"bad format", static + "env:GOOD_KEY&asherah_format=json", "want bound or asherah"},
		{"bad duration", static + "env:GOOD_KEY&asherah_expire_after=90", "want a duration such as 90d"},
		{"negative duration", static + "env:GOOD_KEY&asherah_expire_after=-1h", "want a duration"},
		{"bad size", static + "env:GOOD_KEY&asherah_cache_size=0", "want a whole number from 1"},
		{"bad verify", static + "env:GOOD_KEY&asherah_verify=no", "want off"},
		{"bad unpinned", static + "env:GOOD_KEY&asherah_unpinned=allow", "want refuse"},
		{"unknown cache", static + "env:GOOD_KEY&asherah_cache=arc", "asherah_cache"},
		{"unknown metastore", static + "env:GOOD_KEY&asherah_metastore=redis", "want auto, require or memory"},
		{"memory store with real keys", static + "env:GOOD_KEY&asherah_metastore=memory", "only with asherah_kms=insecure-test"},
		{"metastore DSN in the string", static + "env:GOOD_KEY&asherah_metastore_dsn=postgres://u:" + secret + "@h/d", "want env:NAME"},
		{"two places for keys", "asherah_service=s&asherah_product=p&asherah_kms=insecure-test&asherah_metastore=memory&asherah_metastore_dsn=env:X", "more than one place"},
		{"unknown configuration", static + "env:GOOD_KEY&asherah_config=nope", "asherah_config: no configuration of that name: call driver.RegisterConfig"},
		{"ambiguous service", "asherah_service=a_b&asherah_product=p&asherah_kms=static&asherah_kms_key=file:" + good, "_"},
		{"second question mark", "mode=rw?asherah_unpinned=refuse&" + static + "env:GOOD_KEY", "separate parameters by &"},
		{"semicolon", static + "env:GOOD_KEY&mode=rw;ASHERAH_Unpinned = refuse", "separate parameters by &"},
		{"escaped ampersand", static + "env:GOOD_KEY&mode=rw%26asherah_unpinned%3Drefuse", "separate parameters by &"},
		{"bad escape", static + "env:GOOD_KEY&asherah_partition=%zz", "bad percent escape"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := sql.Open(sqlite.Name, "app.db?"+c.params)
			if err == nil {
				db.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant …%s…", err, c.want)
			}
			noSecret(t, err)
		})
	}
	for _, c := range []struct{ name, key, value, want string }{
		{"unknown variable", "ASHERAH_SQL_SERVISE", "x", "ASHERAH_SQL_SERVISE: unknown setting"},
		{"format", "ASHERAH_SQL_FORMAT", "asherah", "use asherah_format in the connection string"},
		{"memory", "ASHERAH_SQL_METASTORE", "memory", "must be named in the connection string"},
		{"test KMS", "ASHERAH_SQL_KMS", "insecure-test", "must be named in the connection string"},
		{"bad value", "ASHERAH_SQL_CACHE_SIZE", "many", "ASHERAH_SQL_CACHE_SIZE: want a whole number"},
	} {
		t.Run("environment "+c.name, func(t *testing.T) {
			t.Setenv(c.key, c.value)
			db, err := sql.Open(sqlite.Name, "app.db?"+static+"env:GOOD_KEY")
			if err == nil {
				db.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant …%s…", err, c.want)
			}
		})
	}
}

func TestTheEnvironmentFillsWhatIsMissing(t *testing.T) {
	db := open(t)
	t.Setenv("ASHERAH_SQL_SERVICE", "shop")
	t.Setenv("ASHERAH_SQL_PRODUCT", "another")
	t.Setenv("ASHERAH_SQL_KMS", "static")
	t.Setenv("ASHERAH_SQL_KMS_KEY", "env:MASTER")
	t.Setenv("ASHERAH_SQL_PARTITION", "acme")
	t.Setenv("MASTER", hex.EncodeToString(masterKey))
	if err := asherah.RegisterConfig("env-test", asherah.Config{Schema: schemaOf(t, user{}), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if err := asherah.RegisterConfig("env-test", asherah.Config{}); err == nil {
		t.Error("a name was registered twice")
	}
	t.Setenv("ASHERAH_SQL_CONFIG", "env-test")
	second, err := sql.Open(sqlite.Name, db.path+"?asherah_product=web&"+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := second.Exec(`INSERT INTO users (ssn) VALUES (?)`, secret); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, tenant("acme"), db, `SELECT ssn FROM users`); got != secret+"\n" {
		t.Errorf("got %q", got)
	}
}

func TestCodeAndConnectionStringMustNotContradict(t *testing.T) {
	cfg := config(t)
	_, err := sqlite.NewConnector("a.db?asherah_service=other", cfg)
	if err == nil || !strings.Contains(err.Error(), "asherah_service: the connection string and the code's Config contradict") {
		t.Error(err)
	}
	if _, err := sqlite.NewConnector("a.db?asherah_service=shop", cfg); err != nil {
		t.Error(err)
	}
	if _, err := sqlite.NewConnector("a.db?asherah_kms=insecure-test", cfg); err == nil || !strings.Contains(err.Error(), "both a KMS in code and a KMS by name") {
		t.Error(err)
	}
}

func TestAnEmptyConnectionStringFailsAtConnect(t *testing.T) {
	db, err := sql.Open(sqlite.Name, "")
	if err != nil {
		t.Fatalf("Open: %v: tracing wrappers open an empty one to find the driver", err)
	}
	defer db.Close()
	if _, ok := db.Driver().(*asherah.Driver); !ok {
		t.Errorf("driver is a %T", db.Driver())
	}
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "asherah_service") {
		t.Errorf("Ping: %v", err)
	}
}

func TestUnknownDialects(t *testing.T) {
	if _, _, err := asherah.SplitDSN(0, "x"); err == nil || !strings.Contains(err.Error(), "unknown dialect") {
		t.Error(err)
	}
	base, err := sqlite.NewConnector("a.db", config(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asherah.WrapConnector(base, 99, config(t)); err == nil || !strings.Contains(err.Error(), "unknown dialect") {
		t.Error(err)
	}
	if _, err := asherah.WrapConnector(base, dialect.Oracle, config(t)); err == nil || !strings.Contains(err.Error(), "isn't in this version") {
		t.Error(err)
	}
	if _, err := asherah.WrapConnector(nil, dialect.SQLite, config(t)); err == nil {
		t.Error("no connector was accepted")
	}
}
