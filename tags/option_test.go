package tags

import (
	"reflect"
	"strings"
	"testing"
)

func TestTagGrammar(t *testing.T) {
	for tag, want := range map[string]tagSpec{
		"partition":                            {partition: "partition"},
		"tenant_id":                            {partition: "tenant_id"},
		" tenant_id\t":                         {partition: "tenant_id"},
		"partition,as=x":                       {partition: "partition", context: "x"},
		"partition , as=a=b , format=bound":    {partition: "partition", context: "a=b", format: FormatBound},
		"t,format=asherah,as=two words":        {partition: "t", format: FormatAsherah, context: "two words"},
		"t,as=" + strings.Repeat("ä", 127):     {partition: "t", context: strings.Repeat("ä", 127)},
		"t,as=" + strings.Repeat("x", 255):     {partition: "t", context: strings.Repeat("x", 255)},
		"partition,as=format=bound":            {partition: "partition", context: "format=bound"},
		"a column with blanks,format=bound   ": {partition: "a column with blanks", format: FormatBound},
	} {
		got, encrypted, err := parseTag(tag)
		if err != nil || !encrypted || got != want {
			t.Errorf("%q: %+v, %t, %v; want %+v", tag, got, encrypted, err, want)
			continue
		}
		if again, _, err := parseTag(got.String()); err != nil || again != got {
			t.Errorf("%q: written %q, read %+v, %v", tag, got, again, err)
		}
	}
	for _, tag := range []string{"-", " - "} {
		if _, encrypted, err := parseTag(tag); encrypted || err != nil {
			t.Errorf("%q: %t, %v; want not encrypted", tag, encrypted, err)
		}
	}
}

func TestTagErrors(t *testing.T) {
	const (
		empty    = `the tag's first word is empty: write "partition" or the column that holds the partition`
		allowed  = "want one of as=<name>, format=bound, format=asherah"
		notBuilt = " is not available in this version: remove it"
	)
	cases := map[string]string{
		"":                                 empty,
		"  ":                               empty,
		",as=x":                            empty,
		"-,as=x":                           `options after "-": write encrypt:"-" alone, or name the partition first`,
		"t,":                               "an option is empty: remove the comma too many",
		"t,,as=x":                          "an option is empty: remove the comma too many",
		"t,idx":                            `unknown option "idx": ` + allowed,
		"t,As=x":                           `unknown option "As=x": ` + allowed,
		"t,as =x":                          `unknown option "as =x": ` + allowed,
		"t,=x":                             `unknown option "=x": ` + allowed,
		"t,as":                             "option as has no value: " + allowed,
		"t,format":                         "option format has no value: " + allowed,
		"t,as=":                            "option as: the name is empty: write as=<name>",
		"t,as= x":                          "option as: the name begins or ends with white space: remove it",
		"t,as=a\x00b":                      "option as: the name holds a NUL byte: remove it",
		"t,as=" + strings.Repeat("x", 256): "option as: the name has 256 bytes: want at most 255",
		"t,as=x,as=x":                      "option as is given twice: remove one",
		"t,format=bound,format=bound":      "option format is given twice: remove one",
		"t,format=":                        `option format has the value "": want bound or asherah`,
		"t,format=json":                    `option format has the value "json": want bound or asherah`,
	}
	for _, word := range []string{"index", "index=global", "normalize=trim+lower", "pad=16", "state=dual", "bind=id", "binary", "accept=asherah", "index=", "pad"} {
		key, _, _ := strings.Cut(word, "=")
		cases["t,"+word] = "option " + key + notBuilt
		cases["t,as=x,"+word] = "option " + key + notBuilt
	}
	for tag, want := range cases {
		if spec, encrypted, err := parseTag(tag); err == nil || err.Error() != want || encrypted || spec != (tagSpec{}) {
			t.Errorf("%q: %+v, %t,\n got %v\nwant %s", tag, spec, encrypted, err, want)
		}
	}
}

func TestLookupTag(t *testing.T) {
	for tag, want := range map[reflect.StructTag]string{
		`encrypt:"partition"`:             "partition",
		`db:"x" encrypt:"a,b"`:            "a,b",
		`db:"x"encrypt:"a"`:               "a",
		`encrypt:"a" db:"x`:               "<error>",
		`json:"encrypt" broken`:           "<error>",
		`encrypt_:"a"`:                    "<error>",
		`json:"encrypt" encrypt:"a\"b"`:   `a"b`,
		`encrypt:""`:                      "",
		`json:"a,encrypt:b"`:              "<none>",
		`notencrypted:"x"`:                "<none>",
		``:                                "<none>",
		`plain words`:                     "<none>",
		`db:"x" broken`:                   "<none>",
		`encrypt:partition`:               "<error>",
		`encrypt: "partition"`:            "<error>",
		`encrypt :"partition"`:            "<error>",
		`encrypt:"partition`:              "<error>",
		`db:"email, encrypt:"partition"`:  "<error>",
		`db:"email",encrypt:"partition"`:  "<error>",
		`ENCRYPT=partition`:               "<error>",
		`Encrypt:"partition"`:             "<error>",
		`encrypt:"partition" encrypt:"-"`: "<error>",
		`encrypt:"\x"`:                    "<error>",
	} {
		got, ok, err := lookupTag(tag)
		switch {
		case err != nil:
			got = "<error>"
		case !ok:
			got = "<none>"
		}
		if got != want {
			t.Errorf("%s: %s, %v; want %s", tag, got, err, want)
		}
		if std, stdOK := tag.Lookup(tagKey); err == nil && (std != got && stdOK || stdOK != ok) {
			t.Errorf("%s: %q, %t; reflect says %q, %t", tag, got, ok, std, stdOK)
		}
	}
}
