package mysql_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

const ours = "asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:MYSQL_TEST_KEY&asherah_config=mysql-test"

// named registers the settings that ours names.
func named(t *testing.T) {
	t.Helper()
	t.Setenv("MYSQL_TEST_KEY", strings.Repeat("ab", 32))
	cfg := config(t)
	if err := driver.RegisterConfig("mysql-test", driver.Config{Schema: cfg.Schema, Logger: cfg.Logger}); err != nil && !strings.Contains(err.Error(), "mysql-test") {
		t.Fatal(err)
	}
}

func parsed(t *testing.T, dsn string) *mysql.Config {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenAndItsConnectionStrings(t *testing.T) {
	srv := testserver.MariaDB(t)
	plain := openPlain(t, srv.DSN(""))
	mustExec(t, plain, usersDDL)
	named(t)
	dsn := srv.DSN("")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}

	// A user whose password looks like a connection string.
	const odd = `p?a/s&s:w@o(r)d://x=y`
	mustExec(t, plain, `CREATE USER IF NOT EXISTS 'odd'@'%' IDENTIFIED BY '`+odd+`'`)
	t.Cleanup(func() { plain.Exec(`DROP USER 'odd'@'%'`) })
	mustExec(t, plain, "GRANT ALL ON `"+parsed(t, dsn).DBName+"`.* TO 'odd'@'%'")
	oddly := parsed(t, dsn)
	oddly.User, oddly.Passwd = "odd", odd

	// A dialer of the program's own.
	var dialled atomic.Int64
	at := parsed(t, dsn)
	network, addr := at.Net, at.Addr
	mysql.RegisterDialContext("mynet", func(ctx context.Context, _ string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	})
	t.Cleanup(func() { mysql.DeregisterDialContext("mynet") })
	at.Net, at.Addr = "mynet", "anywhere"

	strict := parsed(t, dsn)
	strict.Params = map[string]string{"sql_mode": "'STRICT_ALL_TABLES,ANSI_QUOTES'", "time_zone": "'+05:30'", "wait_timeout": "300"}
	strict.ParseTime, strict.Loc, strict.InterpolateParams, strict.MultiStatements = true, time.FixedZone("Etc/GMT-3", 3*3600), true, true

	n := 0
	for name, dsn := range map[string]string{
		"parameters alone":  dsn + "?" + ours,
		"others first":      dsn + "?parseTime=true&loc=Europe%2FBerlin&" + ours,
		"others last":       dsn + "?" + ours + "&parseTime=true&loc=Europe%2FBerlin",
		"in between":        dsn + "?" + strings.Replace(ours, "&", "&sql_mode=%27STRICT_TRANS_TABLES%27&", 1),
		"a key in a file":   dsn + "?" + strings.Replace(ours, "env:MYSQL_TEST_KEY", "file:"+key, 1),
		"escaped":           dsn + "?" + strings.Replace(ours, "env:MYSQL", "env%3AMYSQL", 1),
		"a socket":          with(srv.SocketDSN(""), strings.Split(ours, "&")...),
		"an odd password":   oddly.FormatDSN() + "?" + ours,
		"a dialer":          at.FormatDSN() + "?" + ours,
		"FormatDSN":         strict.FormatDSN() + "&" + ours,
		"a named parameter": dsn + "?connectionAttributes=program_name:a%3Fb&" + ours,
	} {
		t.Run(name, func(t *testing.T) {
			n++
			db, err := sql.Open("asherah-mysql", dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			mustExec(t, db, `INSERT INTO users (id, tenant_id, email) VALUES (?, 'acme', ?)`, n, secret)
			if got := one(t, context.Background(), db, `SELECT email FROM users WHERE id = ?`, n); got != secret {
				t.Errorf("got %q", got)
			}
			plainDSN, cfg, err := driver.SplitDSN(dialect.MySQL, dsn)
			if err != nil || cfg.Service != "shop" || strings.Contains(plainDSN, "asherah_service") {
				t.Errorf("SplitDSN: %q, %+v, %v", plainDSN, cfg.Service, err)
			}
			if err := openPlain(t, plainDSN).Ping(); err != nil {
				t.Errorf("the plain string: %v", err)
			}
		})
	}
	if dialled.Load() == 0 {
		t.Error("the registered dialer wasn't used")
	}
	for _, bad := range []string{
		dsn + "?" + ours + "&asherah_kmss=static",
		dsn + "?asherah_service=shop",
		dsn + "?" + ours + "&asherah_service=shop",
		dsn + "?" + ours + "&ASHERAH_cache=lru",
		dsn + "?" + ours + "&asherah_kms_key=" + strings.Repeat("ab", 32),
		dsn + "?" + ours + "&connectionAttributes=a:b?asherah_cache=lru",
		dsn + "?" + ours + "&tls=nobody-registered-this",
		dsn + "?" + ours + "&interpolateParams=true&collation=gbk_chinese_ci",
		dsn + "&" + ours,
	} {
		if db, err := sql.Open("asherah-mysql", bad); err == nil {
			db.Close()
			t.Errorf("no error for a connection string that is set up wrong: %s", bad[len(dsn):])
		} else if strings.Contains(err.Error(), strings.Repeat("ab", 32)) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
}

func TestAnEmptyConnectionStringFindsTheDriver(t *testing.T) {
	db, err := sql.Open("asherah-mysql", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "asherah_service") {
		t.Errorf("got %v", err)
	}
}

// A mysql.Config of one's own, with a hook that fills in what no string should hold.
func TestAConfigWithAHook(t *testing.T) {
	srv := testserver.MariaDB(t)
	mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
	c := parsed(t, srv.DSN(""))
	password := c.Passwd
	c.Passwd = "filled in later"
	calls := 0
	if err := c.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) error {
		calls++
		c.Passwd = password
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	base, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := driver.WrapConnector(base, dialect.MySQL, config(t))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(wrapped)
	defer db.Close()
	mustExec(t, db, insertUser, 1, "acme", secret)
	if got := one(t, context.Background(), db, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	if calls < 2 {
		t.Errorf("the hook ran %d times: the connections of the keys need it too", calls)
	}
}

func TestARegisteredTLSConfig(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	srv := testserver.MariaDB(t, testserver.Setting("ssl-cert", cert), testserver.Setting("ssl-key", key))
	mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
	if err := mysql.RegisterTLSConfig("our-ca", &tls.Config{RootCAs: pool, ServerName: "db.example"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mysql.DeregisterTLSConfig("our-ca") })
	named(t)
	c := parsed(t, srv.DSN(""))
	if c.Net != "tcp" {
		c.Net, c.Addr = "tcp", srv.Addr()
	}
	c.TLSConfig = "our-ca"
	db, err := sql.Open("asherah-mysql", c.FormatDSN()+"&"+ours)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustExec(t, db, insertUser, 1, "acme", secret)
	if got := one(t, context.Background(), db, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	var name, cipher string
	if err := db.QueryRow(`SHOW SESSION STATUS LIKE 'Ssl_cipher'`).Scan(&name, &cipher); err != nil || cipher == "" {
		t.Errorf("the connection isn't encrypted: %q, %v", cipher, err)
	}
	if err := openPlain(t, with(srv.DSN(""), "tls=true")).Ping(); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("with the system's authorities: %v", err)
	}
}

// certificate makes a server's certificate of its own in two files, for db.example.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "db.example"}, DNSNames: []string{"db.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(c)
	// The server may run as another user.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), pool
}

func TestCharacterSetsOfClients(t *testing.T) {
	srv := testserver.MariaDB(t)
	d := openOn(t, srv, srv.DSN(""))
	for _, charset := range []string{"gbk", "sjis", "cp932", "big5", "euckr"} {
		db := connect(t, with(srv.DSN(""), "charset="+charset), config(t))
		for _, q := range []string{`INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', '縗s3cr3t')`, `SELECT email FROM users`} {
			if _, err := db.Exec(q); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "utf8mb4") {
				t.Errorf("%s: %s: %v", charset, q, err)
			}
		}
		mustExec(t, db, `DO 1`)
	}
	for _, charset := range []string{"charset=utf8mb4", "charset=utf8", "charset=utf8mb4,utf8", "collation=utf8mb4_unicode_520_ci", "charset=latin1"} {
		db := connect(t, with(srv.DSN(""), charset), config(t))
		mustExec(t, db, `REPLACE INTO users (id, tenant_id, email) VALUES (1, 'acme', 'Zoë ☃ s3cr3t')`)
		mustExec(t, db, `REPLACE INTO users (id, tenant_id, email) VALUES (2, 'acme', ?)`, "Zoë ☃ 😀 s3cr3t")
		for id, want := range map[int]string{1: "Zoë ☃ s3cr3t", 2: "Zoë ☃ 😀 s3cr3t"} {
			if got := one(t, context.Background(), d, `SELECT email FROM users WHERE id = ?`, id); got != want {
				t.Errorf("%s: read as utf8mb4: %q", charset, got)
			}
			if got := one(t, context.Background(), db, `SELECT email FROM users WHERE id = ?`, id); got != want {
				t.Errorf("%s: %q", charset, got)
			}
		}
	}
	d.noLeak(t)
}
