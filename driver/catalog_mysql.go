package driver

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// readMySQL reads a table with SHOW, which knows temporary tables too and takes a name as statements do.
func readMySQL(ctx context.Context, conn rawConn, name sqlplan.TableName) (*tableInfo, error) {
	quoted := quoteMySQLName(name)
	rows, err := conn.Query(ctx, "SHOW FULL COLUMNS FROM "+quoted)
	if noTableMySQL(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info := &tableInfo{name: name}
	for _, r := range rows { // Field, Type, Collation, Null, Key, Default, Extra, …
		if len(r) < 7 {
			return nil, errShortCatalog
		}
		extra := strings.ToUpper(str(r[6]))
		c := columnInfo{
			name: str(r[0]), def: str(r[5]), collation: strings.ToLower(str(r[2])),
			generated: strings.Contains(extra, "VIRTUAL") || strings.Contains(extra, "STORED") || strings.Contains(extra, "PERSISTENT"),
			hidden:    strings.Contains(extra, "INVISIBLE"),
		}
		if r[5] != nil && c.def == "" {
			c.def = "''"
		}
		c.typ, c.length = typeMySQL(str(r[1]))
		c.folds = foldsMySQL(c)
		info.columns = append(info.columns, c)
	}
	if rows, err = conn.Query(ctx, "SHOW INDEX FROM "+quoted); err != nil && !noTableMySQL(err) {
		return nil, err
	}
	for _, r := range rows { // Table, Non_unique, Key_name, Seq_in_index, Column_name, …; on MySQL 8 the fifteenth is Expression
		if len(r) < 5 {
			return nil, errShortCatalog
		}
		if figure(r[1]) != "0" {
			continue
		}
		key := str(r[2])
		i := slices.IndexFunc(info.uniques, func(u uniqueInfo) bool { return u.name == key })
		if i < 0 {
			i = len(info.uniques)
			info.uniques = append(info.uniques, uniqueInfo{name: key})
		}
		u := &info.uniques[i]
		col := info.column(str(r[4]))
		u.columns = append(u.columns, str(r[4]))
		u.folds = append(u.folds, col != nil && col.folds)
		expression := ""
		if len(r) > 14 {
			expression = str(r[14])
		}
		u.expressions = append(u.expressions, expression)
	}
	schema := "DATABASE()"
	if name.Schema != "" {
		schema = quoteMySQL(name.Schema)
	}
	rows, err = conn.Query(ctx, "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = "+schema+" AND TABLE_NAME = "+quoteMySQL(name.Name))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		info.view = info.view || strings.Contains(strings.ToUpper(str(r[0])), "VIEW")
	}
	// A view's definition is kept with all names in full.
	rows, err = conn.Query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE INSTR(LOWER(VIEW_DEFINITION), CONCAT('`', LOWER(TABLE_SCHEMA), '`.', "+quoteMySQL(strings.ToLower(dialect.MySQL.QuoteIdent(name.Name)))+")) > 0 AND TABLE_SCHEMA = "+schema)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if !strings.EqualFold(str(r[1]), name.Name) {
			info.dependents = append(info.dependents, "view "+sqlplan.TableName{Schema: str(r[0]), Name: str(r[1])}.String())
		}
	}
	return info, nil
}

// noTableMySQL knows by their numbers, which every driver's text shows, the errors for a table that isn't there or
// of which the user may know nothing: ER_NO_SUCH_TABLE, ER_TABLEACCESS_DENIED_ERROR, ER_BAD_DB_ERROR,
// ER_DBACCESS_DENIED_ERROR. Whoever may read or write a table may also see its columns.
func noTableMySQL(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	for _, number := range []string{"1146", "1142", "1049", "1044"} {
		if strings.Contains(text, "error "+number) {
			return true
		}
	}
	return false
}

// figure is str for drivers that give numbers where others give text.
func figure(v any) string {
	if n, ok := v.(int64); ok {
		return strconv.FormatInt(n, 10)
	}
	return str(v)
}

// typeMySQL splits "varchar(50)" and "decimal(20,0) unsigned". The length of types of bytes and characters is
// what they hold, that of decimal its scale.
func typeMySQL(s string) (typ string, length int) {
	s = strings.ToLower(s)
	typ, rest, _ := strings.Cut(s, "(")
	typ, _, _ = strings.Cut(strings.TrimSpace(typ), " ")
	in, _, _ := strings.Cut(rest, ")")
	if typ == "decimal" {
		_, in, _ = strings.Cut(in, ",")
	}
	length, _ = strconv.Atoi(in)
	if typ == "tinytext" {
		length = 255
	}
	return typ, length
}

// foldsMySQL tells whether values of a column that aren't equal byte for byte may be called equal: under any
// collation that isn't binary, and under those that pad with blanks.
func foldsMySQL(c columnInfo) bool {
	switch {
	case c.collation == "" || c.collation == "binary":
		return false
	case strings.HasSuffix(c.collation, "nopad_bin"), c.collation == "utf8mb4_0900_bin":
		return false
	case strings.HasSuffix(c.collation, "_bin"):
		return c.typ != "char" // whose trailing blanks aren't kept anyway
	}
	return true
}

// checkMySQL says why an envelope isn't safe in a column.
func checkMySQL(t *tags.Table, info *tableInfo, col *tags.Column) error {
	c := info.column(col.Name)
	table, column := quoteMySQLName(info.name), dialect.MySQL.QuoteIdent(c.name)
	modify := fmt.Sprintf("ALTER TABLE %s MODIFY %s TEXT", table, column)
	switch {
	case c.generated:
		return fmt.Errorf("%w: %v is a generated column: the database would compute it from other columns in the clear: ALTER TABLE %s DROP COLUMN %s, ADD COLUMN %s TEXT", ErrSchemaMismatch, col, table, column, column)
	case !slices.Contains([]string{"varchar", "tinytext", "text", "mediumtext", "longtext"}, c.typ):
		return fmt.Errorf("%w: %v is of type %s, which holds no envelope: %s", ErrSchemaMismatch, col, c.typ, modify)
	case c.def != "":
		return fmt.Errorf("%w: %v has a default, which the database would store in the clear: ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", ErrSchemaMismatch, col, table, column)
	}
	if room := roomOf(col); c.length > 0 && c.length < room {
		return fmt.Errorf("%w: %v is %s(%d), too narrow: an envelope takes up to %d characters: %s", ErrSchemaMismatch, col, c.typ, c.length, room, modify)
	}
	if p := col.Partition; p != nil {
		if pc := info.column(p.Name); pc != nil && !keepsMySQL(pc, p.Kind) {
			return fmt.Errorf("%w: %v: its partition column %s is of type %s, which doesn't give back a %v as it was stored, and what is sealed for it could not be read again: make it VARCHAR, an integer type or UUID, and the field alike", ErrSchemaMismatch, col, p.Name, pc.typ, p.Kind)
		}
	}
	for _, u := range info.uniques {
		for _, name := range u.columns {
			if name != "" && strings.EqualFold(name, col.Name) {
				return fmt.Errorf("%w: %v is in the unique index %s, which never strikes on ciphertext: every envelope differs: ALTER TABLE %s DROP INDEX %s", ErrSchemaMismatch, col, u.name, table, dialect.MySQL.QuoteIdent(u.name))
			}
		}
	}
	return nil
}

// keepsMySQL tells whether a column gives back partitions of a kind as they were stored. Trailing blanks of
// CHAR and other spellings of a UUID are seen to when a value is sealed, see spelling.
func keepsMySQL(c *columnInfo, kind tags.Kind) bool {
	switch c.typ {
	case "varchar", "char", "text", "tinytext", "mediumtext", "longtext":
		return kind == tags.KindString || kind == tags.KindUUID || kind == tags.KindInt || kind == tags.KindUint
	case "uuid":
		return kind == tags.KindUUID || kind == tags.KindString
	case "binary":
		return kind == tags.KindUUID && c.length == 16
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return kind == tags.KindInt || kind == tags.KindUint
	case "decimal":
		return c.length == 0 && (kind == tags.KindInt || kind == tags.KindUint)
	}
	return false
}

func exactMySQL(info *tableInfo, col *tags.Column) bool {
	c := info.column(col.Name)
	if c == nil || c.folds {
		return false
	}
	switch c.typ {
	case "varchar", "char", "text", "tinytext", "mediumtext", "longtext":
		return col.Kind == tags.KindString
	case "uuid":
		return col.Kind == tags.KindUUID || col.Kind == tags.KindString
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return col.Kind == tags.KindInt || col.Kind == tags.KindUint
	}
	return false
}

// modeMySQL asks for what decides how a text is read, and refuses the character sets of clients in which a byte
// below 0x80 can be the second half of a character.
func modeMySQL(ctx context.Context, conn rawConn) (sqlplan.Mode, error) {
	rows, err := conn.Query(ctx, "SELECT @@SESSION.sql_mode, VERSION(), @@lower_case_table_names, @@SESSION.character_set_client")
	if err != nil {
		return sqlplan.Mode{}, err
	}
	if len(rows) != 1 || len(rows[0]) != 4 {
		return sqlplan.Mode{}, errShortCatalog
	}
	switch charset := strings.ToLower(str(rows[0][3])); charset {
	case "big5", "cp932", "euckr", "gb18030", "gbk", "sjis":
		return sqlplan.Mode{}, fmt.Errorf("%w: character_set_client is %s, in which a statement can't be read byte by byte: use utf8mb4", ErrRefused, charset)
	}
	m := sqlplan.Mode{Known: true, BackslashEscapes: true, LowerCaseNames: figure(rows[0][2]) != "0"}
	for _, w := range strings.Split(strings.ToUpper(str(rows[0][0])), ",") {
		switch w {
		case "NO_BACKSLASH_ESCAPES":
			m.BackslashEscapes = false
		case "ANSI_QUOTES":
			m.AnsiQuotes = true
		case "PIPES_AS_CONCAT":
			m.PipesConcat = true
		case "HIGH_NOT_PRECEDENCE":
			m.HighNot = true
		case "IGNORE_SPACE":
			m.IgnoreSpace = true
		case "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES":
			m.Strict = true
		case "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL":
			m.OracleMode = true // and whatever else is no MySQL
		}
	}
	version := str(rows[0][1])
	m.MariaDB = strings.Contains(strings.ToUpper(version), "MARIADB")
	version = strings.TrimPrefix(version, "5.5.5-") // a prefix for old replicas
	version, _, _ = strings.Cut(version, "-")
	for i, part := range strings.SplitN(version, ".", 3) {
		if end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' }); end > 0 {
			part = part[:end]
		}
		n, err := strconv.Atoi(part)
		if err != nil {
			return sqlplan.Mode{}, fmt.Errorf("the server's version %q can't be read", str(rows[0][1]))
		}
		m.Version += n * []int{10000, 100, 1}[i]
	}
	return m, nil
}

// setsModeMySQL tells whether a text may change what modeMySQL asks for: it sets sql_mode or the character set, or
// runs what isn't seen here.
func setsModeMySQL(query string) bool {
	return namesVariable(query, "sql_mode") || setsCharsetMySQL(query)
}

// setsCharsetMySQL is setsModeMySQL for the character set: SET NAMES, SET CHARACTER SET, SET CHAR SET, SET CHARSET
// and the variables that they set.
func setsCharsetMySQL(query string) bool {
	if hasWord(query, "execute") || hasWord(query, "call") {
		return true
	}
	return hasWord(query, "set") && (hasWord(query, "names") || hasWord(query, "char") || hasWord(query, "character") || hasWord(query, "charset") ||
		namesVariable(query, "character_set_") || namesVariable(query, "collation_"))
}

// namesVariable tells whether a variable's name, in lower case, stands in a text. The server compares such names
// without regard to case, and perhaps to accents: a character that isn't ASCII may be any letter.
func namesVariable(query, name string) bool {
	if ascii(query) {
		return containsFold(query, name)
	}
	same := func(r rune, c byte) bool {
		if c == '_' || r < utf8.RuneSelf {
			return r|0x20 == rune(c)|0x20
		}
		return true
	}
	for i := range query {
		at := 0
		for _, r := range query[i:] {
			if at == len(name) || !same(r, name[at]) {
				break
			}
			at++
		}
		if at == len(name) {
			return true
		}
	}
	return false
}

// charsetMySQL refuses what modeMySQL doesn't: other character sets than UTF-8 where a registered name isn't ASCII.
func charsetMySQL(ctx context.Context, conn rawConn, names bool) error {
	if !names {
		return nil
	}
	v, err := show(ctx, conn, "SELECT @@SESSION.character_set_client")
	if err != nil {
		return err
	}
	v = strings.ToLower(v)
	if !strings.HasPrefix(v, "utf8") {
		return fmt.Errorf("%w: character_set_client is %s, in which registered tables whose names aren't ASCII can't be told: use utf8mb4", ErrRefused, v)
	}
	return nil
}

// quoteMySQL returns a literal that means the same under every sql_mode.
func quoteMySQL(s string) string {
	if strings.Contains(s, `\`) {
		return "CONVERT(X'" + hex.EncodeToString([]byte(s)) + "' USING utf8mb4)"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func quoteMySQLName(n sqlplan.TableName) string {
	if n.Schema == "" {
		return dialect.MySQL.QuoteIdent(n.Name)
	}
	return dialect.MySQL.QuoteIdent(n.Schema) + "." + dialect.MySQL.QuoteIdent(n.Name)
}
