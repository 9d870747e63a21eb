package tags

import (
	"strings"
	"testing"
)

type (
	byValue     struct{ baseField }
	byPointer   struct{ baseField }
	qualified   struct{ baseField }
	panicsOnNil struct {
		*byValue
		Own string `encrypt:"partition"`
	}
	wantsNamer struct{ baseField }
	wantsTag   struct {
		_ struct{} `table:"tagged"`
		baseField
	}
	badName    struct{ baseField }
	Box[T any] struct{ baseField }
	baseField  struct {
		Secret string `encrypt:"partition"`
	}
	// BaseModel stands for bun.BaseModel, which is recognised by its shape.
	BaseModel struct{}
	bunUser   struct {
		BaseModel `bun:"table:shop.users,alias:u"`
		Secret    string `bun:"secret,notnull" encrypt:"partition"`
	}
	bunAdmin struct {
		bunUser `bun:",extend"`
		Level   int
	}
	Größe struct{ baseField }
)

func (byValue) TableName() string       { return "by_value" }
func (*byPointer) TableName() string    { return "by_pointer" }
func (qualified) TableName() string     { return "shop.qualified" }
func (wantsNamer) TableName(any) string { return "unknown" }
func (wantsTag) TableName(any) string   { return "unknown" }
func (badName) TableName() string       { return `"quoted"` }

func TestTableNames(t *testing.T) {
	type OrderItem struct{ baseField }
	type Blank struct {
		_ struct{} `table:"blanks_of_mine"`
		baseField
	}
	type Blank2 struct {
		_ any `bun:"table:app.blank,alias:b"`
		baseField
	}
	type First struct {
		BaseModel `bun:"firsts,alias:f"`
		baseField
	}
	type Quoted struct {
		BaseModel `bun:"table:\"quoted_name\""`
		baseField
	}
	type Both struct {
		_         struct{} `table:"same"`
		BaseModel `bun:"table:same"`
		baseField
	}
	type Twice struct {
		_         struct{} `table:"one"`
		BaseModel `bun:"table:two"`
		baseField
	}
	type Escaped struct {
		_ struct{} `bun:"table:\"a\\_b\",alias:\"x\\\"y, z\""`
		baseField
	}
	type NotBun struct {
		_ struct{} `bun:"-"`
		baseField
	}
	type OwnBase struct {
		BaseModel // no tag: nothing
		baseField
	}
	for _, tc := range []struct {
		model any
		want  string // the table, or the error
	}{
		{OrderItem{}, "order_items"},
		{byValue{}, "by_value"},
		{(*byValue)(nil), "by_value"},
		{byPointer{}, "by_pointer"},
		{&byPointer{}, "by_pointer"},
		{qualified{}, "shop.qualified"},
		{Blank{}, "blanks_of_mine"},
		{Blank2{}, "app.blank"},
		{bunUser{}, "shop.users"},
		{bunAdmin{}, "shop.users"},
		{First{}, "firsts"},
		{Quoted{}, "quoted_name"},
		{Both{}, "same"},
		{Escaped{}, "a_b"},
		{NotBun{}, "not_buns"},
		{OwnBase{}, "own_bases"},
		{wantsTag{}, "tagged"},
		{Twice{}, `register: Twice: its tags name the tables "one" and "two": remove one`},
		{wantsNamer{}, "register: wantsNamer: its TableName method has another form than TableName() string: " + remedyTableName},
		{panicsOnNil{}, "register: panicsOnNil: its TableName method panics on a zero value: " + remedyTableName},
		{badName{}, `register: badName: the table name "\"quoted\"" holds quotes or NUL: write it bare, as name or schema.name`},
		{Box[int]{}, "register: Box[int]: no table name follows from the name of a generic type: " + remedyTableName},
		{Größe{}, "register: Größe: no table name follows from a type name beyond ASCII: " + remedyTableName},
		{struct {
			S string `encrypt:"partition"`
		}{}, "register: struct: the type has no name to take the table's from: " + remedyTableName},
	} {
		table, err := newTable(tc.model, "")
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = table.String()
		}
		if got != tc.want {
			t.Errorf("%T:\n got %s\nwant %s", tc.model, got, tc.want)
		}
	}
}

func TestRegisterTableNames(t *testing.T) {
	for name, want := range map[string]string{
		"users":                  "users",
		"app.users":              "app.users",
		"My Users":               "My Users",
		"":                       "register: RegisterTable: the table name is empty: write name or schema.name",
		".users":                 `register: byValue: the table name ".users" has an empty schema: write name or schema.name`,
		"app.":                   `register: byValue: the table name "app." is empty: write name or schema.name`,
		"db.app.u":               `register: byValue: the table name "db.app.u" has more than two parts: write name or schema.name`,
		"app. users":             `register: byValue: the table name "app. users" has white space at an end: write name or schema.name`,
		"[users]":                `register: byValue: the table name "[users]" holds quotes or NUL: write it bare, as name or schema.name`,
		strings.Repeat("x", 256): "register: byValue: the table name has a part of 256 bytes: want at most 255",
		"u\x00":                  `register: byValue: the table name "u\x00" holds quotes or NUL: write it bare, as name or schema.name`,
	} {
		var s Schema
		err := s.RegisterTable(name, byValue{})
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = s.Tables()[0].String()
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestColumnNames(t *testing.T) {
	type Row struct {
		UserID  int64
		DB      string         `db:"a,omitempty"`
		DBNone  string         `db:",omitempty"`
		Gorm    string         `gorm:"not null;column:b;size:10"`
		GormEsc string         `gorm:"default:a\\;b;column:c"`
		GormUp  string         `gorm:" COLUMN:d"`
		Mig     string         `gorm:"-:migration"`
		Bun     string         `bun:"e,pk,type:decimal(10,2)"`
		BunOpt  string         `bun:",notnull"`
		BunCol  string         `bun:"column:f,unique"`
		BunType string         `bun:"type:varchar(10)"`
		Xorm    string         `xorm:"varchar(25) notnull unique 'g'"`
		XormB   string         `xorm:"pk h autoincr"`
		XormDef string         `xorm:"default 'x y' COMMENT('a, (b) c') i"`
		XormNo  string         `xorm:"text not null index(idx_a)"`
		Same    string         `db:"J" gorm:"column:j" bun:"j" xorm:"'j'"`
		First   string         `db:"k" gorm:"column:other"`
		Kept    string         `db:"-" gorm:"column:l"`
		Map     map[string]any `bun:"m,type:jsonb"`
		Struct  Order          `gorm:"column:n;serializer:json"`
		Slice   []string       `db:"o"`
		Out1    string         `db:"-"`
		Out2    string         `gorm:"-"`
		Out3    string         `gorm:"-:all"`
		Out4    string         `bun:"-"`
		Out5    string         `xorm:"-"`
		Out6    string         `bun:",scanonly"`
		Out7    []Order        `bun:"rel:has-many,join:id=user_id"`
		Out8    *Order         `bun:"m2m:order_to_items,join:Order=Item"`
		Out9    []*Order       `db:"orders"`
		Out10   []Order        `gorm:"foreignKey:UserID"`
		Email   string         `db:"email" encrypt:"partition"`
	}
	wantTable(t, Row{}, `
		rows Row
		user_id Row.UserID int64
		a Row.DB string
		db_none Row.DBNone string
		b Row.Gorm string
		c Row.GormEsc string
		d Row.GormUp string
		mig Row.Mig string
		e Row.Bun string
		bun_opt Row.BunOpt string
		f Row.BunCol string
		bun_type Row.BunType string
		g Row.Xorm string
		h Row.XormB string
		i Row.XormDef string
		xorm_no Row.XormNo string
		J Row.Same string
		k Row.First string
		l Row.Kept string
		m Row.Map Kind(0)
		n Row.Struct Kind(0)
		o Row.Slice Kind(0)
		email Row.Email string encrypted by in force as rows.email`)
}

func TestShallowerFieldOwnsAnUnencryptedColumn(t *testing.T) {
	type Base struct {
		ID   int32
		Name string
	}
	type Doc struct {
		Base
		ID   int64
		Text string `encrypt:"ID"`
	}
	wantTable(t, Doc{}, `
		docs Doc
		id Doc.ID int64
		name Doc.Base.Name string
		text Doc.Text string encrypted by id as docs.text`)
}

func TestPartitionFields(t *testing.T) {
	type Address struct {
		ID       int32
		TenantID string
		City     string `encrypt:"Ship.TenantID"`
		Zip      string `encrypt:"ship_tenant_id"`
	}
	type Parcel struct {
		ID     int64
		Ship   Address `gorm:"embedded;embeddedPrefix:ship_"`
		Weight int32   `encrypt:"ID"`
	}
	wantTable(t, Parcel{}, `
		parcels Parcel
		id Parcel.ID int64
		ship_id Parcel.Ship.ID int32
		ship_tenant_id Parcel.Ship.TenantID string
		ship_city Parcel.Ship.City string encrypted by ship_tenant_id as parcels.ship_city
		ship_zip Parcel.Ship.Zip string encrypted by ship_tenant_id as parcels.ship_zip
		weight Parcel.Weight int32 encrypted by id as parcels.weight`)
}
