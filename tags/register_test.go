package tags

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// describe writes a table in the short form that the tests compare: one line per column, with its kind,
// "?" for nullable, and for an encrypted one its partition, context and format.
func describe(t *Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", t, t.Model.Name())
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "%s %s %s", c.Name, c.Field, c.typeText())
		if c.Nullable {
			b.WriteString("?")
		}
		if c.Encrypted {
			partition := "in force"
			if c.Partition != nil {
				partition = c.Partition.Name
			}
			fmt.Fprintf(&b, " encrypted by %s as %s", partition, c.Context)
			if c.Format != FormatDefault {
				fmt.Fprintf(&b, " %s", c.Format)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func wantTable(t *testing.T, model any, want string) *Table {
	t.Helper()
	table, err := newTable(model, "")
	if err != nil {
		t.Error(err)
		return nil
	}
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", "")) + "\n"
	if got := describe(table); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	for _, c := range table.Columns {
		if c.Table != table || c.Partition != nil && c.Partition.Table != table {
			t.Errorf("%s: its table is another", c)
		}
	}
	return table
}

// relation types
type Order struct {
	ID     int64
	Secret string `encrypt:"partition"`
}

func TestRegisterPlain(t *testing.T) {
	type User struct {
		ID       int64  `db:"id"`
		TenantID string `db:"tenant_id"`
		Email    string `db:"email" encrypt:"tenant_id"`
		SSN      string `db:"ssn" encrypt:" partition , as=user-ssn , format=asherah "`
		Phone    string `encrypt:"TenantID,format=bound"`
		NickName string `encrypt:"-"`
		hidden   string
		Orders   []Order
		Last     *Order
		ByID     map[string]Order
		Any      any
	}
	_ = User{hidden: ""}
	wantTable(t, User{}, `
		users User
		id User.ID int64
		tenant_id User.TenantID string
		email User.Email string encrypted by tenant_id as users.email
		ssn User.SSN string encrypted by in force as user-ssn asherah
		phone User.Phone string encrypted by tenant_id as users.phone bound
		nick_name User.NickName string`)
}

func TestPartitionColumnOfThatName(t *testing.T) {
	type Note struct {
		Part string `db:"Partition"`
		Text string `encrypt:"partition"`
	}
	wantTable(t, Note{}, `
		notes Note
		Partition Note.Part string
		text Note.Text string encrypted by Partition as notes.text`)
	type Memo struct {
		Partition string `db:"tenant"` // the Go field's name doesn't count
		Text      string `encrypt:"partition"`
	}
	wantTable(t, Memo{}, `
		memos Memo
		tenant Memo.Partition string
		text Memo.Text string encrypted by in force as memos.text`)
}

func TestModelsAsValuesAndPointers(t *testing.T) {
	for _, m := range []any{Order{}, &Order{}, (*Order)(nil), ptr((*Order)(nil))} {
		wantTable(t, m, `
			orders Order
			id Order.ID int64
			secret Order.Secret string encrypted by in force as orders.secret`)
	}
}

type (
	uuidLike [16]byte
	ulidLike [16]byte
	// nullID is a null type of somebody else's.
	nullID struct {
		UUID  uuidLike
		Valid bool
	}
	// zoned has a field beside Time and Valid.
	zoned struct {
		Time  time.Time
		Extra int
		Valid bool
	}
	deletedAt sql.NullTime
	money     struct{ cents int64 }
	mapping   map[string]string
	texts     []string
	stamp     time.Time
	pointed   struct{ s string }
	reluctant struct{}
	amount    struct {
		Amount int64
		Valid  bool
	}
	wrapper struct{ sql.NullInt64 }
	hostile string
	// validFirst yields nil whatever its field says.
	validFirst struct {
		Valid int
		S     string
	}
	nullNumber struct {
		Valid bool
		N     uint16
	}
	textFails  [16]byte
	textPanics [16]byte
	byteMaybe  []byte
)

func (uuidLike) MarshalText() ([]byte, error)     { return []byte(someUUIDText), nil }
func (u uuidLike) Value() (driver.Value, error)   { return someUUIDText, nil }
func (ulidLike) MarshalText() ([]byte, error)     { return []byte("00000000000000000000000000"), nil }
func (u ulidLike) Value() (driver.Value, error)   { return u[:], nil }
func (n nullID) Value() (driver.Value, error)     { return nullable(n.Valid, someUUIDText) }
func (z zoned) Value() (driver.Value, error)      { return nullable(z.Valid, z.Time) }
func (d deletedAt) Value() (driver.Value, error)  { return nullable(d.Valid, d.Time) }
func (m money) Value() (driver.Value, error)      { return fmt.Sprint(m.cents), nil }
func (m mapping) Value() (driver.Value, error)    { return jsonOrNil(m == nil, m) }
func (s texts) Value() (driver.Value, error)      { return nil, nil }
func (s stamp) Value() (driver.Value, error)      { return time.Time(s), nil }
func (p *pointed) Value() (driver.Value, error)   { return []byte(p.s), nil }
func (r reluctant) Value() (driver.Value, error)  { panic("not zero") }
func (a amount) Value() (driver.Value, error)     { return nullable(a.Valid, "EUR 1") }
func (h hostile) Value() (driver.Value, error)    { return struct{}{}, nil }
func (validFirst) Value() (driver.Value, error)   { return nil, nil }
func (n nullNumber) Value() (driver.Value, error) { return nullable(n.Valid, int64(n.N)) }
func (textFails) MarshalText() ([]byte, error)    { return nil, errors.New("no text") }
func (textPanics) MarshalText() ([]byte, error)   { panic("no text") }
func (byteMaybe) Value() (driver.Value, error)    { return nil, nil }
func nullable(valid bool, v any) (any, error)     { return map[bool]any{true: v}[valid], nil }
func jsonOrNil(null bool, v any) (any, error) {
	if null {
		return nil, nil
	}
	return json.Marshal(v)
}

func TestKindsOfFields(t *testing.T) {
	type Thing struct {
		Str      string                    `encrypt:"partition"`
		Bytes    []byte                    `encrypt:"partition"`
		Bool     bool                      `encrypt:"partition"`
		I        int                       `encrypt:"partition"`
		I8       int8                      `encrypt:"partition"`
		I16      int16                     `encrypt:"partition"`
		I32      rune                      `encrypt:"partition"`
		I64      int64                     `encrypt:"partition"`
		U        uint                      `encrypt:"partition"`
		U8       byte                      `encrypt:"partition"`
		U16      uint16                    `encrypt:"partition"`
		U32      uint32                    `encrypt:"partition"`
		U64      uint64                    `encrypt:"partition"`
		F32      float32                   `encrypt:"partition"`
		F64      float64                   `encrypt:"partition"`
		Time     time.Time                 `encrypt:"partition"`
		UUID     [16]byte                  `encrypt:"partition"`
		JSON     json.RawMessage           `encrypt:"partition"`
		PStr     *string                   `encrypt:"partition"`
		PPInt    **int32                   `encrypt:"partition"`
		PTime    *time.Time                `encrypt:"partition"`
		PUUID    *[16]byte                 `encrypt:"partition"`
		NStr     sql.NullString            `encrypt:"partition"`
		NI16     sql.NullInt16             `encrypt:"partition"`
		NByte    sql.NullByte              `encrypt:"partition"`
		NFloat   sql.NullFloat64           `encrypt:"partition"`
		NBool    sql.NullBool              `encrypt:"partition"`
		NTime    sql.NullTime              `encrypt:"partition"`
		GF32     sql.Null[float32]         `encrypt:"partition"`
		GUUID    sql.Null[[16]byte]        `encrypt:"partition"`
		GRaw     sql.Null[json.RawMessage] `encrypt:"partition"`
		Named    namedString               `encrypt:"partition"`
		NamedB   namedBytes                `encrypt:"partition"`
		Duration time.Duration             `encrypt:"partition"`
		Number   json.Number               `encrypt:"partition"`
		Like     uuidLike                  `encrypt:"partition"`
		Ulid     ulidLike                  `encrypt:"partition"`
		NullID   nullID                    `encrypt:"partition"`
		Zoned    zoned                     `encrypt:"partition"`
		Deleted  deletedAt                 `encrypt:"partition"`
		Money    money                     `encrypt:"partition"`
		PMoney   *money                    `encrypt:"partition"`
		Mapping  mapping                   `encrypt:"partition"`
		Texts    texts                     `encrypt:"partition"`
		Stamp    stamp                     `encrypt:"partition"`
		Pointed  pointed                   `encrypt:"partition"`
		Reluct   reluctant                 `encrypt:"partition"`
		Amount   amount                    `encrypt:"partition"`
		Wrapper  wrapper                   `encrypt:"partition"`
		First    validFirst                `encrypt:"partition"`
		Number16 nullNumber                `encrypt:"partition"`
		Fails    textFails                 `encrypt:"partition"`
		Panics   textPanics                `encrypt:"partition"`
		Maybe    byteMaybe                 `encrypt:"partition"`
	}
	table, err := newTable(Thing{}, "")
	if err != nil {
		t.Fatal(err)
	}
	list := `str:string bytes:bytes bool:bool i:int64 i8:int8 i16:int16 i32:int32 i64:int64
		u:uint64 u8:uint8 u16:uint16 u32:uint32 u64:uint64 f32:float32 f64:float64 time:time uuid:uuid json:json
		p_str:string? pp_int:int32? p_time:time? p_uuid:uuid? n_str:string? ni16:int16? n_byte:uint8? n_float:float64?
		n_bool:bool? n_time:time? gf32:float32? g_uuid:uuid? g_raw:json? named:string named_b:bytes duration:int64
		number:string like:uuid ulid:bytes null_id:uuid? zoned:time? deleted:time? money:string p_money:string?
		mapping:bytes? texts:string? stamp:time pointed:bytes reluct:string amount:string? wrapper:int64? first:string number16:uint16? fails:uuid panics:uuid maybe:bytes`
	list = strings.ReplaceAll(list, " i:int64", fmt.Sprintf(" i:int%d", strconv.IntSize))
	list = strings.ReplaceAll(list, "u:uint64", fmt.Sprintf("u:uint%d", strconv.IntSize))
	want := strings.Fields(list)
	for i, c := range table.Columns {
		got := c.Name + ":" + c.typeText()
		if c.Nullable {
			got += "?"
		}
		if i >= len(want) || got != want[i] {
			t.Errorf("column %d: %s; want %s", i, got, want[min(i, len(want)-1)])
		}
	}
	if len(table.Columns) != len(want) {
		t.Errorf("%d columns; want %d", len(table.Columns), len(want))
	}
}

// ormModel is what gorm.Model is.
type ormModel struct {
	ID        uint `gorm:"primarykey"`
	CreatedAt time.Time
	DeletedAt deletedAt `gorm:"index"`
}

type Person struct {
	Name string `encrypt:"partition"`
}

type Street struct {
	Line1 string `encrypt:"partition"`
	Zip   string `gorm:"column:zipcode" bun:"zipcode"`
}

type audit struct {
	By string
}

func TestEmbeddedStructs(t *testing.T) {
	type Customer struct {
		ormModel
		*audit
		Person `gorm:"embedded"`
		Home   Street  `gorm:"embedded;embeddedPrefix:home_"`
		Work   *Street `bun:"embed:work_"`
		Ship   Street  `xorm:"extends('ship_')"`
		Stamp  time.Time
		Joined Order
		Order  `db:"orders"` // sqlx: a joined table's row
	}
	wantTable(t, Customer{}, `
		customers Customer
		id Customer.ormModel.ID uint64
		created_at Customer.ormModel.CreatedAt time
		deleted_at Customer.ormModel.DeletedAt time?
		by Customer.audit.By string?
		name Customer.Person.Name string encrypted by in force as customers.name
		home_line1 Customer.Home.Line1 string encrypted by in force as customers.home_line1
		home_zipcode Customer.Home.Zip string
		work_line1 Customer.Work.Line1 string? encrypted by in force as customers.work_line1
		work_zipcode Customer.Work.Zip string?
		ship_line1 Customer.Ship.Line1 string encrypted by in force as customers.ship_line1
		ship_zipcode Customer.Ship.Zip string
		stamp Customer.Stamp time`)
}
