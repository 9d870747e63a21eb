package tags

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	SelfEmbedding struct {
		*SelfEmbedding
		Secret string `encrypt:"partition"`
	}
	emails struct {
		Email string `db:"email"`
	}
	secretEmails struct {
		Email string `db:"email" encrypt:"partition"`
	}
	hiddenScalar struct{ valueValuer }
	stringer     interface{ String() string }
)

// TestRegistrationErrors has one model per mistake. Every text names the struct, the field and the
// remedy.
func TestRegistrationErrors(t *testing.T) {
	const unsupported = " can't be encrypted: give the type a Value method (driver.Valuer) that yields a string, []byte, bool, number or time.Time, or remove the tag"
	type (
		Nothing struct{ Email string }
		Minus   struct {
			Email string `encrypt:"-"`
		}
		BadTag struct {
			Email string `encrypt:"partition,indx"`
		}
		Later struct {
			Email string `encrypt:"partition,index"`
		}
		NoColumn struct {
			ID       int64
			TenantID string
			Email    string `encrypt:"tennant_id"`
		}
		Literal struct {
			Email string `encrypt:"acme"`
		}
		Itself struct {
			Email string `encrypt:"email"`
		}
		Cipher struct {
			Tenant string `encrypt:"partition"`
			Email  string `encrypt:"tenant"`
		}
		BoolTenant struct {
			Tenant bool
			Email  string `encrypt:"tenant"`
		}
		BytesTenant struct {
			Tenant []byte
			Email  string `encrypt:"tenant"`
		}
		TimeTenant struct {
			Tenant time.Time
			Email  string `encrypt:"tenant"`
		}
		MapTenant struct {
			Tenant map[string]string `gorm:"column:tenant"`
			Email  string            `encrypt:"tenant"`
		}
		OutTenant struct {
			Tenant string `db:"-"`
			Email  string `encrypt:"tenant"`
		}
		TwoTenants struct {
			Tenant string `db:"a"`
			B      string `db:"tenant"`
			Email  string `encrypt:"Tenant"`
		}
		A struct {
			Tenant string `db:"a"`
		}
		B struct {
			Tenant string `db:"b"`
		}
		TwoFields struct {
			A
			B
			Email string `encrypt:"Tenant"`
		}
		Map struct {
			F map[string]string `encrypt:"partition"`
		}
		Chan struct {
			F chan int `encrypt:"partition"`
		}
		Func struct {
			F func() `encrypt:"partition"`
		}
		Struct struct {
			F Nothing `encrypt:"partition"`
		}
		PStruct struct {
			F *Nothing `encrypt:"partition"`
		}
		Iface struct {
			F stringer `encrypt:"partition"`
		}
		Any struct {
			F any `encrypt:"partition"`
		}
		Strings struct {
			F []string `encrypt:"partition"`
		}
		Array struct {
			F [8]byte `encrypt:"partition"`
		}
		Complex struct {
			F complex64 `encrypt:"partition"`
		}
		Uintptr struct {
			F uintptr `encrypt:"partition"`
		}
		Hostile struct {
			F hostile `encrypt:"partition"`
		}
		Hidden struct {
			email string `encrypt:"partition"`
		}
		Blank struct {
			_ string `encrypt:"partition"`
		}
		Out struct {
			Email string `gorm:"-" encrypt:"partition"`
		}
		Relation struct {
			Orders []Order `bun:"rel:has-many" encrypt:"partition"`
		}
		OnEmbedded struct {
			Order `encrypt:"partition"`
		}
		OnNamed struct {
			O Order `gorm:"embedded" encrypt:"partition"`
		}
		Double struct {
			Email  string `encrypt:"partition"`
			Email2 string `db:"EMAIL"`
		}
		DoublePlain struct {
			A     int    `db:"x"`
			B     int    `db:"x"`
			Email string `encrypt:"partition"`
		}
		Shadowed struct {
			secretEmails
			Email string
		}
		Shadowing struct {
			emails
			Email string `encrypt:"partition"`
		}
		Conflict struct {
			Email string `db:"email" gorm:"column:mail" encrypt:"partition"`
		}
		OnHidden struct {
			hiddenScalar `encrypt:"partition"`
		}
		NUL struct {
			Email string "db:\"e\\x00\" encrypt:\"partition\""
		}
		Deep struct {
			Inner struct {
				Email map[int]int `encrypt:"partition"`
			} `gorm:"embedded"`
		}
	)
	_ = Hidden{email: ""}
	for _, tc := range []struct {
		model any
		want  string
	}{
		{nil, "register: nil: no model: want a struct or a pointer to one"},
		{"User", "register: string: not a model: want a struct or a pointer to one"},
		{[]Order{}, "register: []tags.Order: not a model: want a struct or a pointer to one"},
		{Nothing{}, "register: Nothing: no field has an encrypt tag: tag the fields that must be secret, or don't register the model"},
		{Minus{}, "register: Minus: no field has an encrypt tag: tag the fields that must be secret, or don't register the model"},
		{BadTag{}, `register: BadTag.Email: unknown option "indx": want one of as=<name>, format=bound, format=asherah`},
		{Later{}, "register: Later.Email: option index is not available in this version: remove it"},
		{NoColumn{}, `register: NoColumn.Email: partition "tennant_id" is no column or field of NoColumn: write one of its columns (id, tenant_id, email), or "partition" for the partition in force`},
		{Literal{}, `register: Literal.Email: partition "acme" is no column or field of Literal: write one of its columns (email), or "partition" for the partition in force`},
		{Itself{}, `register: Itself.Email: partition "email" is the encrypted column itself: name a column that is not encrypted`},
		{Cipher{}, "register: Cipher.Email: partition column tenant is itself encrypted: name a column that is not, or remove its encrypt tag"},
		{BoolTenant{}, "register: BoolTenant.Email: partition column tenant has a type that can't name a partition: want a string, an integer or a UUID"},
		{BytesTenant{}, "register: BytesTenant.Email: partition column tenant has a type that can't name a partition: want a string, an integer or a UUID"},
		{TimeTenant{}, "register: TimeTenant.Email: partition column tenant has a type that can't name a partition: want a string, an integer or a UUID"},
		{MapTenant{}, "register: MapTenant.Email: partition column tenant has a type that can't name a partition: want a string, an integer or a UUID"},
		{OutTenant{}, `register: OutTenant.Email: partition "tenant" is no column or field of OutTenant: write one of its columns (email), or "partition" for the partition in force`},
		{TwoTenants{}, `register: TwoTenants.Email: partition "Tenant" means the fields B and Tenant: write the column's name`},
		{TwoFields{}, `register: TwoFields.Email: partition "Tenant" means the fields A.Tenant and B.Tenant: write the column's name`},
		{Map{}, "register: Map.F: values of type map[string]string" + unsupported},
		{Chan{}, "register: Chan.F: values of type chan int" + unsupported},
		{Func{}, "register: Func.F: values of type func()" + unsupported},
		{Struct{}, "register: Struct.F: values of type tags.Nothing" + unsupported},
		{PStruct{}, "register: PStruct.F: values of type *tags.Nothing" + unsupported},
		{Iface{}, "register: Iface.F: values of type tags.stringer" + unsupported},
		{Any{}, "register: Any.F: values of type interface {}" + unsupported},
		{Strings{}, "register: Strings.F: values of type []string" + unsupported},
		{Array{}, "register: Array.F: values of type [8]uint8" + unsupported},
		{Complex{}, "register: Complex.F: values of type complex64" + unsupported},
		{Uintptr{}, "register: Uintptr.F: values of type uintptr" + unsupported},
		{Hostile{}, "register: Hostile.F: values of type tags.hostile" + unsupported},
		{Hidden{}, "register: Hidden.email: the field is unexported, but has an encrypt tag: export the field or remove the tag"},
		{Blank{}, "register: Blank._: the field holds no value, but has an encrypt tag: remove the tag"},
		{Out{}, `register: Out.Email: the field is excluded by gorm:"-", but has an encrypt tag: remove one of the two`},
		{Relation{}, `register: Relation.Orders: the field is a relation by bun:"rel", but has an encrypt tag: tag the related model's fields`},
		{OnEmbedded{}, "register: OnEmbedded.Order: the encrypt tag stands on an embedded struct: put it on the struct's fields"},
		{OnNamed{}, "register: OnNamed.O: the encrypt tag stands on an embedded struct: put it on the struct's fields"},
		{SelfEmbedding{}, `register: SelfEmbedding.SelfEmbedding: the struct embeds itself: break the cycle or exclude the field with db:"-"`},
		{Double{}, `register: Double.Email2: column EMAIL is also that of field Email: give one of them another column, or exclude it with db:"-"`},
		{DoublePlain{}, `register: DoublePlain.B: column x is also that of field A: give one of them another column, or exclude it with db:"-"`},
		{Shadowed{}, `register: Shadowed.Email: column email is also that of field secretEmails.Email: give one of them another column, or exclude it with db:"-"`},
		{Shadowing{}, `register: Shadowing.Email: column email is also that of field emails.Email: give one of them another column, or exclude it with db:"-"`},
		{Conflict{}, `register: Conflict.Email: its tags give the column the name "email" and by gorm "mail" another: give one name`},
		{OnHidden{}, "register: OnHidden.hiddenScalar: the field is unexported, but has an encrypt tag: export the field or remove the tag"},
		{NUL{}, `register: NUL.Email: the column name "e\x00" holds a NUL byte: write the bare name`},
		{Deep{}, "register: Deep.Inner.Email: values of type map[int]int" + unsupported},
	} {
		var s Schema
		err := s.Register(tc.model)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%T:\n got %v\nwant %s", tc.model, err, tc.want)
		}
		if !s.Empty() || s.Version() != 0 {
			t.Errorf("%T: registered in spite of the error", tc.model)
		}
	}
}

func TestRegisterReportsEveryMistake(t *testing.T) {
	type Two struct {
		A map[string]string `encrypt:"partition"`
		B string            `encrypt:"nowhere"`
	}
	s, err := NewSchema(Order{}, Two{}, 7)
	if s != nil || err == nil {
		t.Fatalf("%v, %v", s, err)
	}
	for _, want := range []string{"Two.A", "Two.B", "int: not a model"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q isn't in %q", want, err)
		}
	}
}

// The compiler's vet would object to a malformed tag in the source, so this struct is built.
func TestRegisterRefusesATagThatCannotBeRead(t *testing.T) {
	model := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Email", Type: reflect.TypeFor[string](), Tag: `db:"email" encrypt:partition`,
	}})).Interface()
	var s Schema
	err := s.RegisterTable("users", model)
	const want = `register: struct.Email: the struct tag can't be read: write it as key:"value" pairs with a blank between them`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestRegisterRefusesLongColumnNames(t *testing.T) {
	model := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Email", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(`db:"` + strings.Repeat("x", 256) + `" encrypt:"partition"`),
	}})).Interface()
	var s Schema
	const want = "register: struct.Email: the column name has 256 bytes: want at most 255"
	if err := s.RegisterTable("users", model); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
