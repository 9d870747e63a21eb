package tags

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

type user struct {
	ID     int64
	Tenant string
	Email  string `encrypt:"tenant"`
	Phone  string `encrypt:"partition"`
}

func TestSchemaLookups(t *testing.T) {
	var s Schema
	if !s.Empty() || s.Version() != 0 || len(s.Tables()) != 0 || s.Table("users") != nil {
		t.Error("the zero Schema isn't empty")
	}
	if err := s.Register(); err != nil || s.Version() != 0 {
		t.Errorf("no models: %v, version %d", err, s.Version())
	}
	if err := s.Register(user{}, Order{}); err != nil {
		t.Fatal(err)
	}
	if s.Empty() || s.Version() != 1 {
		t.Errorf("version %d", s.Version())
	}
	for _, name := range []string{"App.orders", "app2.orders"} {
		if err := s.RegisterTable(name, Order{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.Version() != 3 {
		t.Errorf("version %d; want 3", s.Version())
	}
	var names []string
	for _, table := range s.Tables() {
		names = append(names, table.String())
	}
	if got := strings.Join(names, " "); got != "App.orders app2.orders orders users" {
		t.Errorf("tables %s", got)
	}
	if got := s.Table("ORDERS"); len(got) != 3 {
		t.Errorf("ORDERS: %v", got)
	}
	if got := s.Table("app2.orders"); got != nil {
		t.Errorf("a qualified name: %v", got)
	}
	users := s.Table("Users")[0]
	if got := users.Encrypted(); len(got) != 2 || got[0].Name != "email" || got[1].Name != "phone" {
		t.Errorf("encrypted: %v", got)
	}
	if c := users.Column("TENANT"); c == nil || c.String() != "users.tenant" || users.Column("email").Partition != c {
		t.Errorf("column TENANT: %v", c)
	}
	if c := users.Column("nothing"); c != nil {
		t.Errorf("column nothing: %v", c)
	}
}

func TestSchemaSnapshotsStay(t *testing.T) {
	s, err := NewSchema(user{})
	if err != nil {
		t.Fatal(err)
	}
	tables, orders := s.Tables(), s.Table("users")
	if err := s.RegisterTable("app.users", user{}); err != nil {
		t.Fatal(err)
	}
	if len(tables) != 1 || len(orders) != 1 || len(s.Table("users")) != 2 {
		t.Errorf("%v, %v: the earlier answers changed", tables, orders)
	}
	tables[0] = nil
	if s.Tables()[0] == nil {
		t.Error("the caller's slice is the schema's own")
	}
}

func TestSameTableTwiceMustAgree(t *testing.T) {
	type full struct {
		ID     int64
		Tenant string
		Email  string `encrypt:"tenant"`
		Age    int32  `encrypt:"partition"`
	}
	type sameButOther struct {
		Age    *int32 `db:"AGE" encrypt:"partition,as=people.age"`
		Mail   string `db:"email" encrypt:"Tenant"`
		Tenant string
		Extra  string
	}
	type (
		fewer struct {
			Tenant string
			Email  string `encrypt:"tenant"`
		}
		more struct {
			Tenant string
			Email  string `encrypt:"tenant"`
			Age    int32  `encrypt:"partition"`
			Name   string `encrypt:"partition"`
		}
		plain struct {
			Tenant string
			Email  string `encrypt:"tenant"`
			Age    int32
		}
		otherKind struct {
			Tenant string
			Email  string `encrypt:"tenant"`
			Age    string `encrypt:"partition"`
		}
		otherBits struct {
			Tenant string
			Email  string `encrypt:"tenant"`
			Age    int64  `encrypt:"partition"`
		}
		otherName struct {
			Tenant string
			Email  string `encrypt:"tenant,as=mail"`
			Age    int32  `encrypt:"partition"`
		}
		otherFormat struct {
			Tenant string
			Email  string `encrypt:"tenant,format=asherah"`
			Age    int32  `encrypt:"partition"`
		}
		inForce struct {
			Tenant string
			Email  string `encrypt:"partition"`
			Age    int32  `encrypt:"partition"`
		}
		otherPartition struct {
			Tenant, Owner string
			Email         string `encrypt:"owner"`
			Age           int32  `encrypt:"partition"`
		}
		otherPartitionType struct {
			Tenant int64
			Email  string `encrypt:"tenant"`
			Age    int32  `encrypt:"partition"`
		}
	)
	s := new(Schema)
	if err := s.RegisterTable("people", full{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []any{full{}, &full{}, sameButOther{}} {
		if err := s.RegisterTable("people", m); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
	if s.Version() != 1 || len(s.Tables()) != 1 || s.Tables()[0].Model.Name() != "full" {
		t.Errorf("version %d, tables %v: an equal registration changed something", s.Version(), s.Tables())
	}
	for _, tc := range []struct {
		model any
		why   string
	}{
		{fewer{}, "column age is encrypted in one of them only"},
		{more{}, "column name is encrypted in one of them only"},
		{plain{}, "column age is encrypted in one of them only"},
		{otherKind{}, "column age has the types int32 and string"},
		{otherBits{}, "column age has the types int32 and int64"},
		{otherName{}, `column email has the context names "people.email" and "mail"`},
		{otherFormat{}, "column email has the formats default and asherah"},
		{inForce{}, "column email takes its partition from a column in one of them only"},
		{otherPartition{}, "column email takes its partition from tenant and from owner"},
		{otherPartitionType{}, "partition column tenant has the types string and int64"},
	} {
		// A registration for one schema stands for the same table as one for all schemas.
		for _, name := range []string{"people", "app.people"} {
			err := s.RegisterTable(name, tc.model)
			model := strings.TrimPrefix(fmt.Sprintf("%T", tc.model), "tags.")
			want := "register: " + model + ": table " + name + ": it is registered already as people by full, and the two don't agree: " +
				tc.why + ": make both the same, or register one"
			if err == nil || err.Error() != want {
				t.Errorf("%s:\n got %v\nwant %s", model, err, want)
			}
		}
	}
	if s.Version() != 1 {
		t.Errorf("version %d: a refused registration changed something", s.Version())
	}
	// In one call, too.
	type users struct {
		Email string `encrypt:"partition"`
	}
	type wide struct {
		_     struct{} `table:"users"`
		Email string   `encrypt:"partition"`
		Phone string   `encrypt:"partition"`
	}
	if _, err := NewSchema(users{}, wide{}); err == nil {
		t.Error("users and wide agree")
	}
}

func TestTablesOfDifferentSchemasMayDiffer(t *testing.T) {
	type plain struct {
		Email string `encrypt:"partition"`
	}
	s := new(Schema)
	if err := errors.Join(s.RegisterTable("a.users", user{}), s.RegisterTable("b.users", plain{})); err != nil {
		t.Error(err)
	}
}

func TestContextNamesAreUnique(t *testing.T) {
	type a struct {
		X string `encrypt:"partition,as=name"`
	}
	type b struct {
		Y string `encrypt:"partition,as=name"`
	}
	type c struct {
		Z string `encrypt:"partition,as=a.w"`
	}
	type d struct {
		W string `db:"w" encrypt:"partition"`
	}
	type twice struct {
		X string `encrypt:"partition,as=n"`
		Y string `encrypt:"partition,as=n"`
	}
	s, err := NewSchema(a{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	check(s.Register(b{}), `register: b.Y: the context name "name" belongs to as.x already: choose another with as=<name>`)
	check(s.Register(twice{}), `register: twice.Y: the context name "n" belongs to twices.x already: choose another with as=<name>`)
	if err := s.Register(c{}); err != nil {
		t.Error(err)
	}
	check(s.RegisterTable("a", d{}), `register: d.W: the context name "a.w" belongs to cs.z already: choose another with as=<name>`)
	// The same table of several schemas has one set of names.
	for _, name := range []string{"one.as", "two.as"} {
		if err := s.RegisterTable(name, a{}); err != nil {
			t.Error(err)
		}
	}
	if len(s.Tables()) != 4 {
		t.Errorf("tables %v", s.Tables())
	}
}

func TestRegisterRefusesWhatHasPassed(t *testing.T) {
	s := new(Schema)
	s.MarkPassed("select", "USERS", "orders2")
	s.MarkPassed()
	const want = "register: user: table app.users: a statement that may name it has already passed unencrypted: " +
		"register every model before the first statement"
	if err := s.RegisterTable("app.users", user{}); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := s.Register(Order{}, user{}); err == nil || !s.Empty() {
		t.Errorf("%v: half of a registration was kept", err)
	}
	if err := s.Register(Order{}); err != nil {
		t.Error(err)
	}
	// A table that was registered before can be registered again.
	s.MarkPassed("Orders")
	if err := s.Register(Order{}); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestMarkPassedIsBounded(t *testing.T) {
	s := new(Schema)
	for i := range maxPassed - 1 {
		word := fmt.Sprint("w", i)
		s.MarkPassed(word, strings.ToUpper(word), strings.Repeat("long", 100))
	}
	if err := s.Register(Order{}); err != nil {
		t.Fatalf("below the bound: %v", err)
	}
	s.MarkPassed("last")
	s.MarkPassed("more")
	const want = "register: user: table users: statements with 16384 different words have already passed, and whether this " +
		"table was among them isn't known: register every model before the first statement"
	if err := s.Register(user{}); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := s.Register(Order{}); err != nil {
		t.Errorf("a table that is registered already: %v", err)
	}
	if s.passed != nil {
		t.Error("the words are kept though no one will ask")
	}
}

func TestDefaultSchema(t *testing.T) {
	type DefaultThing struct {
		Secret string `encrypt:"partition"`
	}
	before, want := Default().Version(), uint64(2)
	if len(Default().Table("default_things")) == 2 {
		want = 0 // the default schema outlives one run of the test
	}
	MustRegister(DefaultThing{})
	if err := Register(&DefaultThing{}); err != nil {
		t.Error(err)
	}
	if err := RegisterTable("other.default_things", DefaultThing{}); err != nil {
		t.Error(err)
	}
	if got := Default().Version() - before; got != want || len(Default().Table("default_things")) != 2 {
		t.Errorf("%d versions later: %v", got, Default().Tables())
	}
	defer func() {
		if err, ok := recover().(error); !ok || !strings.HasPrefix(err.Error(), "register: ") {
			t.Errorf("panic value %v", err)
		}
	}()
	MustRegister(7)
}

// TestSchemaConcurrently registers, marks and reads at once. Whatever a reader sees is whole, and a
// table is either registered or, if its name was marked first, refused.
func TestSchemaConcurrently(t *testing.T) {
	const goroutines, tables = 8, 50
	s := new(Schema)
	name := func(i int) string { return fmt.Sprintf("table%02d", i) }
	registered := make([]bool, tables)
	planned := make([]bool, tables) // the version had not changed when the word was marked
	var wg sync.WaitGroup
	for i := range tables {
		wg.Go(func() { registered[i] = s.RegisterTable(name(i), user{}) == nil })
		wg.Go(func() {
			version := s.Version()
			if len(s.Table(name(i))) > 0 {
				return
			}
			s.MarkPassed("insert", "into", name(i))
			planned[i] = s.Version() == version
		})
	}
	for range goroutines {
		wg.Go(func() {
			last := uint64(0)
			for range 200 {
				version := s.Version()
				if version < last {
					t.Errorf("version %d after %d", version, last)
				}
				last = version
				got := s.Tables()
				if !slices.IsSortedFunc(got, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) }) || uint64(len(got)) < version {
					t.Errorf("version %d: %v", version, got)
				}
				for _, table := range got {
					if s.Table(table.Name)[0] != table || table.Column("email").Partition.Name != "tenant" {
						t.Errorf("%s isn't whole", table)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range tables {
		if registered[i] && planned[i] {
			t.Errorf("%s: a statement passed and the table was registered", name(i))
		}
		if registered[i] != (len(s.Table(name(i))) == 1) {
			t.Errorf("%s: registered %t, but the schema says otherwise", name(i), registered[i])
		}
	}
}

func TestEnumNames(t *testing.T) {
	for k, want := range map[fmt.Stringer]string{
		Kind(0): "Kind(0)", KindString: "string", KindJSON: "json", KindJSON + 1: "Kind(10)",
		FormatDefault: "default", FormatBound: "bound", FormatAsherah: "asherah", Format(9): "Format(9)",
	} {
		if got := k.String(); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}
