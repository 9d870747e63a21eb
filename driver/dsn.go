package driver

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// SplitDSN takes the asherah_ parameters out of a connection string. plain is the rest, byte for byte, as
// the wrapped driver wants it: migration tools that must see the plain form can be given it. cfg is what
// the parameters say, unchecked for completeness and without the environment.
//
// The forms of each database are understood: `…?key=value&…` (SQLite, MySQL, Oracle, and every URL),
// `key=value key='value'` (PostgreSQL), `key=value;key=value` (SQL Server). An unknown asherah_ parameter,
// or one given twice, is an error; no error repeats a value that could be a secret.
func SplitDSN(d dialect.Dialect, dsn string) (plain string, cfg Config, err error) {
	plain, params, err := splitParams(d, dsn)
	if err == nil {
		cfg, err = fromParams(params)
	}
	if err != nil {
		return "", Config{}, fmt.Errorf("connection string: %w", err)
	}
	return plain, cfg, nil
}

// splitParams is SplitDSN without the meaning of the parameters.
func splitParams(d dialect.Dialect, dsn string) (plain string, params []param, err error) {
	if !d.Valid() {
		return "", nil, fmt.Errorf("unknown dialect %v", d)
	}
	isURL := strings.Contains(dsn, "://")
	switch {
	case d == dialect.Postgres && !isURL:
		// pgx's RegisterConnConfig gives a bare name for a connection string; parameters follow it as in
		// either of the forms.
		if q := strings.IndexByte(dsn, '?'); q > 0 && !strings.ContainsAny(dsn[:q], "= '\\") {
			return splitQuery(dsn)
		}
		name, rest, _ := strings.Cut(dsn, " ")
		if name != "" && !strings.ContainsAny(name, "='\\") && !strings.HasPrefix(strings.TrimLeft(rest, " "), "=") {
			plain, params, err := splitKeyValue(rest)
			if err != nil || params == nil {
				return dsn, nil, err
			}
			return strings.TrimRight(name+" "+plain, " "), params, nil
		}
		return splitKeyValue(dsn)
	case d == dialect.MySQL:
		return splitMySQL(dsn)
	case d == dialect.SQLServer && !isURL:
		return splitSemicolons(dsn)
	}
	return splitQuery(dsn)
}

// ours tells whether a parameter's name is one of ours, and returns it without the prefix. The prefix is
// matched without regard to case, so that a misspelt one is an error and not the wrapped driver's affair.
func ours(key string) (name string, ok bool) {
	if len(key) < len(paramPrefix) || !strings.EqualFold(key[:len(paramPrefix)], paramPrefix) {
		return "", false
	}
	if !strings.HasPrefix(key, paramPrefix) {
		return key, true // not in the list: an error that names it
	}
	return key[len(paramPrefix):], true
}

// misplaced finds a setting within another parameter. A name that only begins like one may stand there: of a
// database, a schema, a program.
var misplaced = regexp.MustCompile(`(?i)` + paramPrefix + `[a-z0-9_]*\s*(=|%3d)`)

// splitQuery handles `anything?key=value&key=value`. The query starts at the first question mark; a
// fragment behind a URL's query stays where it is.
func splitQuery(dsn string) (string, []param, error) {
	head, query, found := strings.Cut(dsn, "?")
	if !found {
		return dsn, nil, nil
	}
	var params []param
	var kept []string
	dropped := false
	for _, part := range strings.Split(query, "&") {
		rawKey, rawValue, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			key = rawKey
		}
		name, mine := ours(key)
		if !mine {
			kept = append(kept, part)
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return "", nil, fmt.Errorf("%s%s: bad percent escape", paramPrefix, name)
		}
		params = append(params, param{name, value})
		dropped = true
	}
	for _, part := range kept {
		if misplaced.MatchString(part) {
			return "", nil, fmt.Errorf("a parameter holds %q where it isn't read: separate parameters by & behind one question mark", paramPrefix)
		}
	}
	switch {
	case !dropped:
		return dsn, nil, nil
	case len(kept) == 0:
		return head, params, nil
	}
	return head + "?" + strings.Join(kept, "&"), params, nil
}

// splitMySQL handles go-sql-driver's `user:password@net(addr)/db?key=value&key=value`, where the password may
// hold question marks: the query starts at the last one before our first parameter.
func splitMySQL(dsn string) (string, []param, error) {
	first := -1
	for i := 1; i+len(paramPrefix) <= len(dsn) && first < 0; i++ {
		if (dsn[i-1] == '?' || dsn[i-1] == '&') && strings.EqualFold(dsn[i:i+len(paramPrefix)], paramPrefix) {
			first = i
		}
	}
	if first < 0 {
		return splitQuery(dsn)
	}
	q := strings.LastIndexByte(dsn[:first], '?')
	if q < 0 {
		return "", nil, fmt.Errorf("a parameter holds %q where it isn't read: separate parameters by & behind a question mark", paramPrefix)
	}
	query, params, err := splitQuery(dsn[q:])
	return dsn[:q] + query, params, err
}

// splitKeyValue handles libpq's `key=value key = 'quoted value'`, with its backslash escapes.
func splitKeyValue(dsn string) (string, []param, error) {
	var params []param
	var plain strings.Builder
	i := 0
	space := func() {
		for i < len(dsn) && strings.IndexByte(" \t\r\n\f\v", dsn[i]) >= 0 {
			i++
		}
	}
	for {
		space()
		if i == len(dsn) {
			break
		}
		start := i
		for i < len(dsn) && dsn[i] != '=' && strings.IndexByte(" \t\r\n\f\v", dsn[i]) < 0 {
			i++
		}
		key := dsn[start:i]
		space()
		if i == len(dsn) || dsn[i] != '=' {
			if _, mine := ours(key); mine {
				return "", nil, fmt.Errorf("%s: no value", key)
			}
			if strings.Contains(strings.ToLower(dsn[start:]), paramPrefix) {
				return "", nil, fmt.Errorf("%q: no value", key)
			}
			plain.WriteString(" " + dsn[start:]) // the wrapped driver says what is wrong with it
			return strings.TrimPrefix(plain.String(), " "), params, nil
		}
		i++
		space()
		value, err := keyValueValue(dsn, &i)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", key, err)
		}
		if name, mine := ours(key); mine {
			params = append(params, param{name, value})
			continue
		}
		if plain.Len() > 0 {
			plain.WriteByte(' ')
		}
		plain.WriteString(dsn[start:i])
	}
	if params == nil {
		return dsn, nil, nil
	}
	return plain.String(), params, nil
}

func keyValueValue(dsn string, at *int) (string, error) {
	var v strings.Builder
	i := *at
	quoted := i < len(dsn) && dsn[i] == '\''
	if quoted {
		i++
	}
	for ; i < len(dsn); i++ {
		c := dsn[i]
		if quoted && c == '\'' {
			*at = i + 1
			return v.String(), nil
		}
		if !quoted && strings.IndexByte(" \t\r\n\f\v", c) >= 0 {
			break
		}
		if c == '\\' && i+1 < len(dsn) {
			i++
			c = dsn[i]
		}
		v.WriteByte(c)
	}
	*at = i
	if quoted {
		return "", fmt.Errorf("quote isn't closed")
	}
	return v.String(), nil
}

// splitSemicolons handles `key=value;key=value`.
func splitSemicolons(dsn string) (string, []param, error) {
	var params []param
	var kept []string
	for _, part := range strings.Split(dsn, ";") {
		key, value, _ := strings.Cut(part, "=")
		name, mine := ours(strings.TrimSpace(key))
		if !mine {
			kept = append(kept, part)
			continue
		}
		params = append(params, param{name, strings.TrimSpace(value)})
	}
	if params == nil {
		return dsn, nil, nil
	}
	return strings.Join(kept, ";"), params, nil
}
