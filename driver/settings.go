package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// A connection's settings decide how the server reads a text: where a literal ends, and which bytes make a
// character. They are asked for where they matter.

// readMode asks for the settings on which the plan of a text depends.
func (c *conn) readMode(ctx context.Context) (sqlplan.Mode, error) {
	db := c.core.catalog.db
	if c.mode.Known && db.setsMode != nil {
		if c.modePlans == nil {
			c.modePlans = c.core.plans.in(c.mode)
		}
		return c.mode, nil
	}
	if db.mode == nil {
		return sqlplan.Mode{}, fmt.Errorf("plan: dialect %v has no modes", c.core.dialect)
	}
	m, err := db.mode(ctx, c.raw())
	if err != nil {
		return m, fmt.Errorf("ask for the settings that decide how the statement is read: %w", err)
	}
	if !m.Known {
		return m, errors.New("plan: the connection's settings aren't known")
	}
	c.mode, c.modePlans = m, nil
	if db.setsMode != nil {
		c.modePlans = c.core.plans.in(m)
	}
	return m, nil
}

// minds looks after the settings for one statement: those that it may change are forgotten, and a text with
// bytes from 0x80 on is refused where the server may read it in another character set. Bytes below 0x80 are
// the same in all of them.
func (c *conn) minds(ctx context.Context, s *statement) error {
	db := c.core.catalog.db
	if s.setsMode {
		c.forgetMode()
		c.modeVaries = true
	}
	if s.setsCharset {
		c.charsetOK = false
		c.charsetVaries = db.undoes
	}
	if !s.wide || db.charset == nil || c.charsetOK {
		return nil
	}
	if err := db.charset(ctx, c.raw(), c.core.plans.wideNames()); err != nil {
		return err
	}
	c.charsetOK = !c.charsetVaries
	return nil
}

// forgetMode has the mode asked for when it matters next.
func (c *conn) forgetMode() { c.mode, c.modePlans = sqlplan.Mode{}, nil }

// notes what a text may do to the settings. A statement on a registered table changes none: the analysis refuses
// texts that do both.
func (s *statement) noteSettings(db *database, query string) {
	s.setsMode = s.passes() && db.setsMode != nil && db.setsMode(query)
	s.setsCharset = s.passes() && db.setsCharset != nil && db.setsCharset(query)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hasWord tells whether an ASCII word in lower case stands in a text, letters of the text in either case, and is
// no part of a longer name. A digit may stand before it: of the version that a comment begins with whose text is
// executed.
func hasWord(s, word string) bool {
	letter := func(c byte) bool { return c == '_' || c == '$' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' }
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 != word[0] || !strings.EqualFold(s[i:i+len(word)], word) || i > 0 && letter(s[i-1]) {
			continue
		}
		if end := i + len(word); end == len(s) || !letter(s[end]) && (s[end] < '0' || s[end] > '9') {
			return true
		}
	}
	return false
}

// containsFold is strings.Contains for an ASCII word in lower case, letters of s in either case.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0] && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
