package integration

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	_ "github.com/asherah-sql/asherah-sql/driver/mysql"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// onMariaDB is the shop's server, once with each way in which go-sql-driver sends a statement and its arguments.
var onMariaDB = server{
	name: "MariaDB", start: testserver.MariaDB, plain: "mysql", encrypted: "asherah-mysql", dsn: mariadbDSN,
	ways:    []string{"interpolateParams=false", "interpolateParams=true"},
	secrets: mariadbSecrets,
	flush:   "FLUSH TABLES",
	dumps: []dumped{
		{"row by row", func(t *testing.T, srv *testserver.Server) []byte {
			return mariadbDump(t, srv, "--skip-extended-insert")
		}},
		{"with blobs as hex", func(t *testing.T, srv *testserver.Server) []byte { return mariadbDump(t, srv, "--hex-blob") }},
		{"as XML", func(t *testing.T, srv *testserver.Server) []byte { return mariadbDump(t, srv, "--xml") }},
	},
}

// mariadbDSN adds parameters to the server's connection string.
func mariadbDSN(srv *testserver.Server, params ...string) string {
	dsn := srv.DSN("")
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + strings.Join(append(params, "parseTime=true"), "&")
}

func isMySQL(db *sql.DB) bool {
	_, ok := db.Driver().(*mysql.MySQLDriver)
	return ok
}

// mariadbSecrets adds the forms that a value has in MariaDB's files only: escaped in a literal, and a DATETIME, which
// is five packed bytes.
func mariadbSecrets() []secret {
	out := secrets()
	escape := strings.NewReplacer("\x00", `\0`, "'", `\'`)
	for i := range out {
		for _, holder := range []string{"MS A K LOVELACE-KING", "HERR JCF GAUSS", "CHAS BABBAGE ESQ"} {
			if out[i].name == "signature of "+holder {
				signature := escape.Replace("\x00\x01ink of " + holder + "\xff\xfe")
				out[i].add([]byte(signature))
				// Of an argument the log escapes the bytes that no character begins with, too.
				out[i].add([]byte(strings.NewReplacer("\xff", "\\\xff", "\xfe", "\\\xfe").Replace(signature)))
			}
		}
		if text, err := strconv.Unquote(out[i].name); err == nil && strings.Contains(text, "'") {
			out[i].add([]byte(escape.Replace(text)))
		}
	}
	for second := 42; second <= 43; second++ {
		at := time.Date(2024, time.November, 5, 13, 37, second, 0, time.UTC)
		days := uint64(at.Year()*13+int(at.Month()))<<5 | uint64(at.Day())
		packed := days<<17 | uint64(at.Hour())<<12 | uint64(at.Minute())<<6 | uint64(at.Second()) | 1<<39
		name := fmt.Sprintf("%q", at.Format(time.TimeOnly))
		for i := range out {
			if out[i].name == name {
				out[i].add(binary.BigEndian.AppendUint64(nil, packed)[3:])
			}
		}
	}
	return out
}

// mariadbDump runs the server's dump program.
func mariadbDump(t *testing.T, srv *testserver.Server, args ...string) []byte {
	t.Helper()
	program := ""
	for _, name := range []string{"mariadb-dump", "mysqldump"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("no mariadb-dump: it comes with the client package")
	}
	cfg, err := mysql.ParseDSN(srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	line := append([]string{"--no-defaults", "--user=" + cfg.User, "--password=" + cfg.Passwd, "--no-tablespaces"}, args...)
	if cfg.Net == "unix" {
		line = append(line, "--socket="+cfg.Addr)
	} else {
		host, port, _ := strings.Cut(cfg.Addr, ":")
		line = append(line, "--protocol=tcp", "--host="+host, "--port="+port)
	}
	return output(t, program, append(line, cfg.DBName)...)
}
