package drivertest

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
)

var (
	marked     = flag.Int("marked", 1000, "generated statements that run through the driver")
	markedSeed = flag.Uint64("marked-seed", 1, "seed of the first of them")
)

// mark is in every value that a generated statement stores into an encrypted column. Its first letter may be cut off by
// a literal in two parts.
const mark = "QZs3cr3tmark"

// Marked runs generated statements through the driver, each secret of which holds a mark, and as they are on a twin
// database. What the server is told and what it stores must hold no mark, in no form; what was accepted must give the
// same results and leave the same rows as on the twin.
type Marked struct {
	Dialect dialect.Dialect
	Mode    sqlgen.Mode
	// Open is the database through the driver, with that partition in force; Plain is the same database without the
	// driver, and Twin another one. The tables of package sqlgen are there and empty.
	Open, Plain, Twin *sql.DB
	// Log returns what the server was told since the test began.
	Log func() string
}

// MarkedPartition is the partition in force of Marked.Open.
const MarkedPartition = "PF"

// every is how many statements run before the tables are filled anew and the log is searched.
const every = 50

// undefined finds what gives other results in each session or each time, or leaves open which rows it returns.
var undefined = regexp.MustCompile(`(?i)^desc|distinct on|current_|localtime|sysdate|\bnow\(|rand|uuid|changes\(|last_insert|\blimit\b|\bfetch\b|group_concat|array_agg|string_agg|row_number|\bover\b|rowid|ctid|xmin|any_value|\boffset\b|@x|interval|total_changes|sqlite_|nth_value|explain`)

// joined finds writes that return rows of a join, of which the server picks one where several match.
var joined = regexp.MustCompile(`(?is)\b(delete|update|merge)\b.*\b(using|from)\b.*\breturning\b`)

// Run runs the test.
func (m Marked) Run(t *testing.T) {
	outcome := map[string]int{}
	for i := range *marked {
		if i%every == 0 {
			m.searchLog(t)
			m.fill(t)
		}
		g := sqlgen.New(m.Dialect, m.Mode, *markedSeed+uint64(i))
		g.Secret = mark
		q := g.Statement()
		what := m.statement(t, q, g.Bind())
		outcome[what]++
		if t.Failed() {
			t.Fatalf("%s: statement %d:\n%s\n%v", what, i, q, g.Args)
		}
	}
	m.searchLog(t)
	if !strings.Contains(m.Log(), "MK") {
		t.Error("the log doesn't show what the server is told")
	}
	names := make([]string, 0, len(outcome))
	for n := range outcome {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		t.Logf("%6d %s", outcome[n], n)
	}
	if outcome["the same"] < *marked/8 {
		t.Errorf("only %d of %d statements were accepted and compared", outcome["the same"], *marked)
	}
}

// fill makes the tables hold the same few rows again.
func (m Marked) fill(t *testing.T) {
	t.Helper()
	for _, db := range []*sql.DB{m.Plain, m.Twin} {
		for _, n := range sqlgen.Names {
			MustExec(t, db, "DELETE FROM "+n)
		}
	}
	for _, q := range sqlgen.Rows(m.Dialect) {
		MustExec(t, m.Open, q)
		MustExec(t, m.Twin, q)
	}
}

// statement runs one statement on both databases.
func (m Marked) statement(t *testing.T, q string, args []any) string {
	got, err := table(m.Open, q, args)
	var refused *driver.RefusedError
	switch {
	case err != nil && strings.Contains(err.Error(), mark[1:]):
		t.Errorf("the error holds a value: %v", err)
	case errors.As(err, &refused):
		return "refused"
	case errors.Is(err, driver.ErrNoPartition), errors.Is(err, driver.ErrPartitionMismatch):
		return "refused: no partition"
	case err != nil && strings.HasPrefix(err.Error(), "encrypt: "):
		return "refused: its value"
	case err != nil && strings.Contains(err.Error(), "asherah-sql: "):
		return "refused by the server"
	}
	want, twinErr := table(m.Twin, q, args)
	switch {
	case err == nil && twinErr != nil:
		t.Errorf("only the twin fails: %v", twinErr)
	case err != nil && twinErr == nil:
		t.Errorf("only the encrypted database fails: %v", err)
	case err != nil:
		return "an error on both"
	}
	m.rows(t)
	if undefined.MatchString(q) || joined.MatchString(q) {
		return "not compared"
	}
	if !slices.Equal(got, want) {
		t.Errorf("it returns\n%s\nand on the twin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return "the same"
}

// rows compares what is stored, and searches it for marks.
func (m Marked) rows(t *testing.T) {
	for _, n := range sqlgen.Names {
		q := "SELECT * FROM " + n
		stored, err := table(m.Plain, q, nil)
		if err != nil {
			t.Fatal(err)
		}
		search(t, "a row of "+n, strings.Join(stored, "\n"))
		got, err := table(m.Open, q, nil)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		want, err := table(m.Twin, q, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s holds\n%s\nand on the twin\n%s", n, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func (m Marked) searchLog(t *testing.T) {
	t.Helper()
	search(t, "the log", m.Log())
}

// search looks for the mark in a text, in clear, hexadecimal and base64.
func search(t *testing.T, where, text string) {
	t.Helper()
	word := mark[1:]
	forms := []string{word, hex.EncodeToString([]byte(word)), strings.ToUpper(hex.EncodeToString([]byte(word)))}
	for skip := range 3 {
		// What comes before the word decides where its groups of three begin; the ends share groups with others.
		s := word[skip:]
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(s[:len(s)/3*3])))
	}
	for _, f := range forms {
		if i := strings.Index(text, f); i >= 0 {
			t.Errorf("%s holds a secret: …%s…", where, text[max(0, i-300):min(len(text), i+100)])
		}
	}
}

// table runs a statement and returns its rows as sorted texts.
func table(db *sql.DB, q string, args []any) ([]string, error) {
	rows, err := db.QueryContext(context.Background(), q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, to := make([]any, len(cols)), make([]any, len(cols))
	for i := range values {
		to[i] = &values[i]
	}
	var list []string
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		line := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
				line[i] = "NULL"
			case []byte:
				line[i] = string(v)
			default:
				line[i] = fmt.Sprint(v)
			}
		}
		list = append(list, strings.Join(line, " | "))
		if len(list) > 5000 {
			break
		}
	}
	slices.Sort(list)
	return list, rows.Err()
}
