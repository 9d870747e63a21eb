package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"
	"github.com/asherah-sql/asherah-sql/tags"
)

// fixed are the tables of the golden cases and of the ORMs' statements.
var fixed = []oracle.Table{
	{Name: "customers", Columns: []string{"id", "created_at", "updated_at", "deleted_at", "name", "email", "phone", "card", "age"}, Encrypted: []string{"email", "phone", "card"}},
	{Name: "profiles", Columns: []string{"id", "customer_id", "ssn"}, Encrypted: []string{"ssn"}},
	{Name: "orders", Columns: []string{"id", "customer_id", "item", "card_no"}, Encrypted: []string{"card_no"}},
	{Name: "users", Columns: []string{"id", "tenant_id", "email", "ssn", "name", "pin", "admin", "note", "region", "extra"}, Encrypted: []string{"email", "ssn", "pin", "admin", "note"}},
	{Name: "documents", Columns: []string{"id", "tenant", "body"}, Encrypted: []string{"body"}},
	{Name: "logs", Columns: []string{"id", "at", "line", "tenant_id"}},
	{Name: "items", Columns: []string{"id", "note", "price"}},
}

// fixedPartitions are the partition columns of fixed, by table and column; the others' is the one in force.
var fixedPartitions = map[string]string{
	"users.email": "tenant_id", "users.ssn": "tenant_id", "users.pin": "tenant_id", "users.admin": "tenant_id", "users.note": "region",
	"documents.body": "tenant",
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,50}$`)

// choose registers some of the tables that a statement names, with some of their columns. ok is false when
// there is nothing to register.
func choose(learned []oracle.Table, r *rand.Rand) (tables []oracle.Table, partitions map[string]string, ok bool) {
	partitions = map[string]string{}
	all := r.IntN(4) == 0
	first := -1
	if len(learned) > 0 {
		first = r.IntN(len(learned))
	}
	for i, t := range learned {
		t.Columns = slices.Clone(t.Columns)
		for n := 1; len(t.Columns) < 2; n++ {
			if c := fmt.Sprintf("filler%d", n); !slices.Contains(t.Columns, c) {
				t.Columns = append(t.Columns, c)
			}
		}
		if (all || i == first) && plainName.MatchString(t.Name) {
			var names []string
			for _, c := range t.Columns {
				if plainName.MatchString(c) && c != "partition" {
					names = append(names, c)
				}
			}
			r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			if len(names) > 0 {
				n := 1 + r.IntN(min(3, len(names)))
				t.Encrypted = names[:n:n]
				if n < len(names) && r.IntN(2) == 0 {
					for _, c := range t.Encrypted {
						partitions[t.Name+"."+c] = names[n]
					}
				}
				ok = true
			}
		}
		tables = append(tables, t)
	}
	return tables, partitions, ok
}

var stringType, bytesType = reflect.TypeFor[string](), reflect.TypeFor[[]byte]()

// analyzer makes the analyser of a schema, as the tables say.
func analyzer(d dialect.Dialect, tables []oracle.Table, partitions map[string]string) (*sqlplan.Analyzer, error) {
	s, err := tags.NewSchema()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if len(t.Encrypted) == 0 {
			continue
		}
		var fields []reflect.StructField
		add := func(name string, typ reflect.Type, tag string) {
			fields = append(fields, reflect.StructField{
				Name: fmt.Sprintf("F%d", len(fields)), Type: typ,
				Tag: reflect.StructTag(fmt.Sprintf("db:%q %s", name, tag)),
			})
		}
		var known []string
		for _, c := range t.Encrypted {
			if p := partitions[t.Name+"."+c]; p != "" && !slices.Contains(known, p) {
				known = append(known, p)
			}
		}
		for _, p := range known {
			add(p, stringType, "")
		}
		for i, c := range t.Encrypted {
			p := partitions[t.Name+"."+c]
			if p == "" {
				p = "partition"
			}
			typ := stringType
			if i == 2 {
				typ = bytesType
			}
			add(c, typ, fmt.Sprintf("encrypt:%q", p))
		}
		if err := s.RegisterTable(t.Name, reflect.New(reflect.StructOf(fields)).Elem().Interface()); err != nil {
			return nil, err
		}
	}
	return sqlplan.New(s, d)
}

// catalog knows every table.
type catalog map[string][]string

func (c catalog) Columns(n sqlplan.TableName) ([]string, bool) {
	if cols, ok := c[n.Name]; ok {
		return cols, true
	}
	return c[strings.ToLower(n.Name)], true
}

func catalogOf(tables []oracle.Table) catalog {
	c := catalog{}
	for _, t := range tables {
		c[t.Name] = t.Columns
	}
	return c
}
