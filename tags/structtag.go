package tags

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// lookupTag finds the encrypt tag. [reflect.StructTag.Lookup] answers "absent" when the tag is
// malformed; here that is an error if the tag mentions the key at all, because a lost quote must not
// store a secret in the clear. So is the key in another spelling, and the key given twice.
func lookupTag(tag reflect.StructTag) (value string, ok bool, err error) {
	rest := string(tag)
	for {
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return value, ok, nil
		}
		key, quoted, after, well := cutPair(rest)
		if !well {
			if strings.Contains(fold(string(tag)), tagKey) {
				return "", false, fmt.Errorf("the struct tag can't be read: write it as key:\"value\" pairs with a blank between them")
			}
			return "", false, nil
		}
		rest = after
		if !equalFold(strings.TrimFunc(key, notLetter), tagKey) {
			continue
		}
		if key != tagKey {
			return "", false, fmt.Errorf("the tag's key is spelt %q: write %q", key, tagKey)
		}
		if ok {
			return "", false, fmt.Errorf("the field has two encrypt tags: remove one")
		}
		value, ok = quoted, true
	}
}

func notLetter(r rune) bool { return (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r) }

// cutPair cuts one key:"value" pair off the front of a struct tag, by the rules of package reflect.
func cutPair(s string) (key, value, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] != ':' && s[i] != '"' && s[i] != 0x7f {
		i++
	}
	if i == 0 || i+1 >= len(s) || s[i] != ':' || s[i+1] != '"' {
		return "", "", "", false
	}
	key, s = s[:i], s[i+1:]
	for i = 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	if i >= len(s) {
		return "", "", "", false
	}
	value, err := strconv.Unquote(s[:i+1])
	if err != nil {
		return "", "", "", false
	}
	return key, value, s[i+1:], true
}

// columnTag is what the tags of sqlx, GORM, bun and xorm say of one field.
type columnTag struct {
	name     string // the first explicit column name
	from     string // the tag that gave it: "db", "gorm", "bun" or "xorm"
	conflict string // a later tag with another name, for example `gorm "mail"`
	excluded string // the tag that says that the field is no column, for example `db:"-"`
	relation string // the tag that says that the field stands for other rows
	embed    bool   // the field's own fields are columns, with prefix before their names
	prefix   string
}

func readColumnTag(tag reflect.StructTag) columnTag {
	var c columnTag
	c.readDB(tag.Get("db"))
	c.readGORM(tag.Get("gorm"))
	c.readBun(tag.Get("bun"))
	c.readXORM(tag.Get("xorm"))
	return c
}

// noColumn reports whether a tag takes the field out and no other tag gives it a column.
func (c *columnTag) noColumn() bool { return c.excluded != "" && c.name == "" && !c.embed }

func (c *columnTag) setName(from, name string) {
	switch {
	case name == "":
	case c.name == "":
		c.from, c.name = from, name
	case !equalFold(c.name, name) && c.conflict == "":
		c.conflict = from + " " + strconv.Quote(name)
	}
}

func (c *columnTag) exclude(by string) {
	if c.excluded == "" {
		c.excluded = by
	}
}

func (c *columnTag) setEmbed(prefix string) {
	c.embed = true
	if c.prefix == "" {
		c.prefix = prefix
	}
}

func (c *columnTag) readDB(s string) {
	name, _, _ := strings.Cut(s, ",")
	if name == "-" {
		c.exclude(`db:"-"`)
		return
	}
	c.setName("db", name)
}

func (c *columnTag) readGORM(s string) {
	settings := gormSettings(s)
	if v, ok := settings["-"]; ok {
		if v = strings.ToLower(strings.TrimSpace(v)); v == "-" || v == "all" {
			c.exclude(`gorm:"-"`)
			return
		}
	}
	c.setName("gorm", settings["COLUMN"])
	if _, ok := settings["EMBEDDED"]; ok {
		c.setEmbed(settings["EMBEDDEDPREFIX"])
	}
}

// gormSettings splits a gorm tag: settings separated by ";" (escaped as "\;"), each a key that counts
// in any case and, after ":", a value. A key without a value is its own value.
func gormSettings(s string) map[string]string {
	settings := make(map[string]string)
	for s != "" {
		var setting strings.Builder
		for {
			part, rest, more := strings.Cut(s, ";")
			s = rest
			if esc, ok := strings.CutSuffix(part, `\`); ok && more {
				setting.WriteString(esc)
				setting.WriteByte(';')
				continue
			}
			setting.WriteString(part)
			break
		}
		key, value, ok := strings.Cut(setting.String(), ":")
		key = strings.ToUpper(strings.TrimSpace(key))
		if !ok {
			value = key
		}
		if key != "" || ok {
			settings[key] = strings.ReplaceAll(value, `\"`, `"`)
		}
	}
	return settings
}

func (c *columnTag) readBun(s string) {
	if s == "-" {
		c.exclude(`bun:"-"`)
		return
	}
	name, options := bunOptions(s)
	for _, word := range []string{"rel", "m2m"} {
		if _, ok := options[word]; ok {
			c.relation = "bun:\"" + word + "\""
			return
		}
	}
	if _, ok := options["scanonly"]; ok {
		c.exclude(`bun:"scanonly"`)
		return
	}
	if column, ok := options["column"]; ok {
		name = column
	}
	c.setName("bun", name)
	if prefix, ok := options["embed"]; ok {
		c.setEmbed(prefix)
	}
	for _, word := range []string{"extend", "inherit"} {
		if _, ok := options[word]; ok {
			c.setEmbed("")
		}
	}
}

// bunOptions splits a bun tag: words separated by commas outside quotes and parentheses. A first word
// without ":" is the name, the others are options with or without a value.
func bunOptions(s string) (name string, options map[string]string) {
	options = make(map[string]string)
	for first := true; s != "" || first; first = false {
		end, depth, quoted := len(s), 0, false
	scan:
		for i := 0; i < len(s); i++ {
			switch b := s[i]; {
			case b == '\\' && quoted:
				i++
			case b == '"':
				quoted = !quoted
			case quoted:
			case b == '(':
				depth++
			case b == ')' && depth > 0:
				depth--
			case b == ',' && depth == 0:
				end = i
				break scan
			}
		}
		word := s[:end]
		s = s[min(end+1, len(s)):]
		key, value, ok := strings.Cut(word, ":")
		key, value = bunUnquote(key), bunUnquote(value)
		switch {
		case first && !ok:
			name = key
		case key != "":
			options[key] = value
		}
	}
	return name, options
}

// bunUnquote takes away double quotes around s and backslashes inside them.
func bunUnquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

func (c *columnTag) readXORM(s string) {
	words := xormWords(s)
	name := ""
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch key := strings.ToUpper(word.name); {
		case key == "-":
			c.exclude(`xorm:"-"`)
			return
		case key == "EXTENDS":
			c.setEmbed(strings.Trim(word.param, "'"))
		case (key == "DEFAULT" || key == "COLLATE") && word.param == "":
			i++ // the next word is its value
		case xormKeywords[key]:
		default:
			name = strings.Trim(word.name, "'")
		}
	}
	c.setName("xorm", name)
}

type xormWord struct{ name, param string }

// xormWords splits an xorm tag: words separated by blanks outside single quotes and parentheses, each
// perhaps with parameters in parentheses.
func xormWords(s string) []xormWord {
	var words []xormWord
	start, open := 0, -1
	quoted := false
	flush := func(end int) {
		if start < end {
			w := xormWord{name: s[start:end]}
			if open >= 0 {
				w.name, w.param = s[start:open], strings.TrimSuffix(s[open+1:end], ")")
			}
			words = append(words, w)
		}
		start, open = end+1, -1
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '\'':
			quoted = !quoted
		case quoted:
		case b == '(':
			if depth == 0 && open < 0 {
				open = i
			}
			depth++
		case b == ')' && depth > 0:
			depth--
		case b == ' ' && depth == 0:
			flush(i)
		}
	}
	flush(len(s))
	return words
}

// xormKeywords are the words of an xorm tag that aren't a column's name: its own options and the SQL
// types that it knows.
var xormKeywords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(`
		<- -> PK NULL NOT AUTOINCR DEFAULT CREATED UPDATED DELETED VERSION UTC LOCAL NOTNULL INDEX UNIQUE CACHE
		NOCACHE COMMENT EXTENDS UNSIGNED COLLATE JSON JSONB
		BIT TINYINT SMALLINT MEDIUMINT INT INTEGER BIGINT NUMBER ENUM SET CHAR VARCHAR VARCHAR2 NCHAR NVARCHAR
		TINYTEXT TEXT NTEXT CLOB MEDIUMTEXT LONGTEXT UUID UNIQUEIDENTIFIER SYSNAME DATE DATETIME SMALLDATETIME
		TIME TIMESTAMP TIMESTAMPZ YEAR DECIMAL NUMERIC MONEY SMALLMONEY REAL FLOAT DOUBLE BINARY VARBINARY
		TINYBLOB BLOB MEDIUMBLOB LONGBLOB BYTEA BOOL BOOLEAN SERIAL BIGSERIAL XML ARRAY`) {
		m[w] = true
	}
	return m
}()
