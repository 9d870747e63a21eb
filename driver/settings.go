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
	if c.mode.Known && db.modeWord != "" {
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
	c.mode = m
	return m, nil
}

// minds looks after the settings for one statement: those that it may change are forgotten, and a text with
// bytes from 0x80 on is refused where the server may read it in another character set. Bytes below 0x80 are
// the same in all of them.
func (c *conn) minds(ctx context.Context, s *statement) error {
	db := c.core.catalog.db
	if s.sets {
		c.mode, c.charsetOK = sqlplan.Mode{}, false
		// A rollback takes a change back.
		c.charsetVaries = true
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

// setsMode tells whether a text may change the settings.
func (db *database) setsMode(query string) bool {
	for _, w := range db.charsetWords {
		if containsFold(query, w) {
			return true
		}
	}
	return db.modeWord != "" && containsFold(query, db.modeWord)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
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
