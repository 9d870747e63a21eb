package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// statement is what the wrapper knows of one text: its plan, and what of the plan doesn't change from one
// execution to the next.
type statement struct {
	plan    *sqlplan.Plan
	tx      []sqlplan.TxStatement // transaction control in the text, where the wrapper must know of it
	text    string                // what is sent when it holds no literal to seal
	tables  []*tags.Table         // registered tables that it names
	decodes bool                  // its rows must be opened, trimmed or checked
	ddl     bool
	rows    int              // statements that return rows
	results []sqlplan.Result // of each of them, if the database delivers them all and some must be opened
	several bool             // more than one of its statements writes
	spelled bool             // an INSERT without a column list was given the one of the catalogue

	skips skipping

	wide                  bool // it holds bytes from 0x80 on, and touches a table or could
	setsMode, setsCharset bool // it may change the settings that decide how a text is read

	moded bool         // the plan holds in mode only
	mode  sqlplan.Mode // the connection's when it was planned, if it mattered

	spelling map[*tags.Column]spelling // partition columns of strings: what their type makes of a text

	schema, catalog uint64 // versions it was made with
}

var passThrough = &sqlplan.Plan{}

// Sizes of the plan caches. Longer texts are planned at every use: keeping them would let a few bulk
// inserts hold more memory than the keys do.
const (
	planCacheSize = 1024
	planMaxText   = 32 << 10
)

// plans finds or makes the plans of a connector's statements.
type plans struct {
	analyzer *sqlplan.Analyzer
	schema   *tags.Schema
	txText   bool // transaction control sent as text must be known
	refuse   bool // asherah_unpinned=refuse

	free planSet // plans that hold in every mode

	mu    sync.Mutex                // guards moded
	moded map[sqlplan.Mode]*planSet // plans that hold in one mode

	wide atomic.Uint64 // schema version·2 + 2, + 1 when some registered name isn't ASCII
}

// wideNames tells whether a registered table's name isn't ASCII: such a name has other bytes in other
// character sets.
func (p *plans) wideNames() bool {
	v := 2*p.schema.Version() + 2
	if w := p.wide.Load(); w&^1 == v {
		return w != v
	}
	w := v
	for _, t := range p.schema.Tables() {
		if !ascii(t.Name) {
			w = v + 1
		}
	}
	p.wide.Store(w)
	return w != v
}

func newPlans(c *core) (*plans, error) {
	p := &plans{schema: c.cfg.Schema, refuse: c.cfg.RefuseUnpinned, txText: c.catalog.db.oneWriter}
	var err error
	if p.analyzer, err = sqlplan.New(c.cfg.Schema, c.dialect); err != nil {
		return nil, err
	}
	p.free = newPlanSet()
	p.moded = map[sqlplan.Mode]*planSet{}
	return p, nil
}

// planSet holds plans by their text. Two caches: a stream of unique texts that pass through can't flush the plans.
type planSet struct {
	touching, passing cache.Cache[string, *statement]
}

func newPlanSet() planSet {
	var s planSet
	for _, to := range []*cache.Cache[string, *statement]{&s.touching, &s.passing} {
		var err error
		if *to, err = cache.New(cache.Config[string, *statement]{Kind: cache.LRU, Capacity: planCacheSize}); err != nil {
			panic(err) // the settings above are right
		}
	}
	return s
}

// get returns the plan of a text, if it is known and was made with these versions.
func (p *planSet) get(query string, schema, catalog uint64) *statement {
	// Statements that pass come first: theirs is the cost that nobody has agreed to.
	if s, ok := p.passing.Get(query); ok && s.schema == schema {
		return s
	}
	if s, ok := p.touching.Get(query); ok && s.schema == schema && s.catalog == catalog {
		return s
	}
	return nil
}

func (p *planSet) put(query string, s *statement) {
	if s.passes() {
		p.passing.Put(query, s)
	} else {
		p.touching.Put(query, s)
	}
}

// maxModes bounds the modes whose plans are kept: a program has one, or very few.
const maxModes = 8

// in returns the plans that hold in one mode.
func (p *plans) in(m sqlplan.Mode) *planSet {
	p.mu.Lock()
	defer p.mu.Unlock()
	set, ok := p.moded[m]
	if !ok {
		if len(p.moded) == maxModes {
			clear(p.moded)
		}
		made := newPlanSet()
		set = &made
		p.moded[m] = set
	}
	return set
}

// skipping guesses whether the wrapped driver takes a text with arguments only as a prepared statement, so that
// it isn't sealed in vain. Some drivers do so always, some when an argument is too long.
type skipping struct {
	direct atomic.Bool  // it has taken the text with arguments
	left   atomic.Int32 // executions that aren't tried any more
	span   atomic.Int32 // what left was last
}

// skipSpan is how many executions aren't tried after the first answer of ErrSkip; after each further one there are
// four times as many, up to maxSkipSpan.
const skipSpan, maxSkipSpan = 16, 4096

// Load tells whether to answer ErrSkip without asking.
func (k *skipping) Load() bool {
	return k.left.Load() > 0 && !k.direct.Load() && k.left.Add(-1) >= 0
}

// skipped notes what the wrapped driver answered to a text with arguments.
func (s *statement) skipped(err error) {
	k := &s.skips
	switch {
	case err == nil && !k.direct.Load():
		k.direct.Store(true)
	case err == driver.ErrSkip:
		n := min(max(4*k.span.Load(), skipSpan), maxSkipSpan)
		k.span.Store(n)
		k.left.Store(n)
	}
}

func (s *statement) passes() bool { return !s.plan.Touches }

// plan returns the plan for query, from the cache or by analysing it; a refusal is a *RefusedError.
func (c *conn) plan(ctx context.Context, query string) (*statement, error) {
	s, err := c.planned(ctx, query)
	if err == nil && (s.wide || s.setsMode || s.setsCharset) {
		err = c.minds(ctx, s)
	}
	if err != nil || !s.spelled {
		return s, err
	}
	// Values go by the order of the columns here, so the columns must be those of this very moment and this
	// very connection, which may have a temporary table of the name.
	if c.core.catalog.db.version == nil {
		same, err := c.core.catalog.unchanged(ctx, c.raw(), s.tables)
		if err != nil || same {
			return s, err
		}
		return c.planned(ctx, query)
	}
	version, err := c.core.catalog.db.version(ctx, c.raw())
	if err != nil {
		return nil, err
	}
	if c.core.catalog.changed(version) {
		return c.planned(ctx, query)
	}
	return s, nil
}

func (c *conn) planned(ctx context.Context, query string) (*statement, error) {
	p := c.core.plans
	schema, catalog := p.schema.Version(), c.core.catalog.version.Load()
	if s := c.recent.get(query, schema, catalog, &c.mode); s != nil {
		return s, nil
	}
	if s := p.free.get(query, schema, catalog); s != nil {
		return c.recent.put(query, s), nil
	}
	s := &statement{plan: passThrough, text: query, schema: schema, catalog: catalog}
	if p.analyzer.Mentions(query) {
		if c.core.catalog.db.setsMode != nil {
			var err error
			if s.mode, err = c.readMode(ctx); err != nil {
				return nil, err
			}
			if s := c.modePlans.get(query, schema, catalog); s != nil {
				return c.recent.put(query, s), nil
			}
		}
		if err := c.analyze(ctx, query, s); err != nil {
			return nil, err
		}
	}
	if s.passes() {
		// From now on a table of one of these names can't be registered: a statement on it has been sent.
		sqlplan.Words(query, func(word string) { p.schema.MarkPassed(word) })
		if p.schema.Version() != schema {
			return c.planned(ctx, query) // one was registered just before
		}
	}
	s.noteSettings(c.core.catalog.db, query)
	s.wide = (!s.passes() || p.wideNames()) && !ascii(query)
	if p.txText {
		s.tx = sqlplan.TxControl(query, c.core.dialect)
	}
	switch {
	case len(query) > planMaxText || s.plan.HasLiterals:
		// A text with a literal in an encrypted position is a secret: it is kept nowhere.
	case !s.moded:
		p.free.put(query, c.recent.put(query, s))
	case c.modePlans != nil:
		c.modePlans.put(query, c.recent.put(query, s))
	}
	return s, nil
}

func (c *conn) analyze(ctx context.Context, query string, s *statement) error {
	var view catalogView
	var err error
	for range maxTables {
		s.plan, err = c.core.plans.analyzer.Analyze(query, s.mode, &view)
		if unmoded := (*sqlplan.NeedMode)(nil); errors.As(err, &unmoded) && !s.mode.Known {
			if s.mode, err = c.readMode(ctx); err != nil {
				return err
			}
			continue
		}
		var need *sqlplan.NeedColumns
		if !errors.As(err, &need) {
			break
		}
		if err = view.fetch(ctx, c.core.catalog, c.raw(), need.Tables); err != nil {
			return err
		}
	}
	var refused *sqlplan.RefusedError
	if errors.As(err, &refused) && refused.Rule == sqlplan.RuleUnknownColumns && view.absent != "" {
		return fmt.Errorf("%w: no such table: %s: create it first", ErrSchemaMismatch, view.absent)
	}
	if err != nil {
		return refusal(err)
	}
	s.moded = s.plan.Moded
	if s.passes() {
		s.plan = passThrough
		return nil
	}
	if s.text, err = splice(query, s.plan, nil, nil); err != nil {
		return err
	}
	writes := 0
	for _, st := range s.plan.Statements {
		s.ddl = s.ddl || st.Kind == sqlplan.DDL
		if st.ReturnsRows {
			s.rows++
		}
		switch st.Kind {
		case sqlplan.Insert, sqlplan.Update, sqlplan.Delete, sqlplan.Merge:
			writes++
		}
		s.tables = append(s.tables, st.Tables...)
	}
	for _, e := range s.plan.Edits {
		s.spelled = s.spelled || strings.HasPrefix(e.Text, " (")
	}
	if err := c.upsertable(ctx, query, s); err != nil {
		return err
	}
	if err := c.findSpelling(ctx, s); err != nil {
		return err
	}
	s.several = writes > 1
	for _, r := range results(s.plan) {
		s.decodes = s.decodes || r.Hidden > 0
		for _, o := range r.Outputs {
			s.decodes = s.decodes || o.Column != nil || o.Name != ""
			if o.Unpinned != "" && c.core.plans.refuse {
				return &RefusedError{
					Table: o.Column.Table.String(), Column: o.Column.Name,
					Offset: s.plan.Statements[r.Statement].Offset,
					Rule:   "place can't be verified (" + o.Unpinned + ") and asherah_unpinned=refuse",
					Remedy: "select the column from its table directly, together with its partition column",
				}
			}
		}
	}
	if s.decodes && len(s.plan.Statements) > 1 && c.core.catalog.db.eachResult {
		s.lineUp(query)
	}
	return nil
}

// results are the results that the plan says something of.
func results(p *sqlplan.Plan) []sqlplan.Result {
	return append([]sqlplan.Result{{Statement: p.OutputStatement, Outputs: p.Outputs, Hidden: p.Hidden}}, p.Further...)
}

// lineUp makes the list of the results that the driver will deliver, in order, those that are nothing to the plan
// included. There is none when it isn't sure of a statement whether it delivers one.
func (s *statement) lineUp(query string) {
	planned := results(s.plan)
	var list []sqlplan.Result
	for i, st := range s.plan.Statements {
		text := query[st.Offset:st.End]
		first, _, _ := strings.Cut(strings.ToLower(text), " ")
		switch st.Kind {
		case sqlplan.Insert, sqlplan.Update, sqlplan.Delete, sqlplan.Merge, sqlplan.Transaction:
		case sqlplan.Select:
			if hasWord(text, "into") && !st.Explain {
				return // a variable
			}
		default:
			if !slices.Contains([]string{"alter", "create", "do", "drop", "set", "show", "truncate"}, first) || hasWord(text, "statement") {
				return
			}
		}
		if st.ReturnsRows {
			r := sqlplan.Result{Statement: i}
			if len(planned) > 0 && planned[0].Statement == i {
				r, planned = planned[0], planned[1:]
			}
			list = append(list, r)
		}
	}
	if len(planned) == 0 {
		s.results = list
	}
}

// findSpelling notes what the database makes of the partitions that a statement stores.
func (c *conn) findSpelling(ctx context.Context, s *statement) error {
	if !c.core.catalog.db.spells {
		return nil
	}
	for i := range s.plan.Values {
		p := s.plan.Values[i].Column.Partition
		if p == nil || p.Kind != tags.KindString {
			continue
		}
		if _, ok := s.spelling[p]; ok {
			continue
		}
		is, err := c.core.catalog.spelling(ctx, c.raw(), p)
		if err != nil {
			return err
		}
		if s.spelling == nil {
			s.spelling = map[*tags.Column]spelling{}
		}
		s.spelling[p] = is
	}
	return nil
}

// upsertable refuses an upsert where the row in conflict may be of another partition than the row inserted,
// because a unique index compares the partition column without regard to case or trailing blanks: the
// conflicting row would be given a value that is sealed for the other spelling.
func (c *conn) upsertable(ctx context.Context, query string, s *statement) error {
	for _, st := range s.plan.Statements {
		if st.Kind != sqlplan.Insert || !st.Touches || !strings.Contains(strings.ToUpper(query[st.Offset:st.End]), "CONFLICT") {
			continue
		}
		for _, t := range st.Tables {
			info, err := c.core.catalog.info(ctx, c.raw(), sqlplan.TableName{Schema: t.Schema, Name: t.Name})
			if err != nil || info == nil {
				return err
			}
			for _, col := range t.Encrypted() {
				if p := col.Partition; p != nil && info.foldsIn(p.Name) {
					return &RefusedError{
						Table: t.String(), Column: p.Name, Offset: st.Offset,
						Rule:   "an upsert over a unique index that takes different partitions for equal",
						Remedy: "make the index compare " + p.Name + " COLLATE BINARY",
					}
				}
			}
		}
	}
	return nil
}

// oneResult refuses to query a text of several statements when the rows to be opened aren't sure to be those that
// the driver delivers: the last statement's, or the first one's, and never one of several.
func (s *statement) oneResult(last bool) error {
	n := len(s.plan.Statements)
	if !s.decodes || n < 2 || s.results != nil {
		return nil
	}
	at := 0
	if last {
		at = n - 1
	}
	if s.rows < 2 && s.plan.OutputStatement == at {
		return nil
	}
	st := s.plan.Statements[s.plan.OutputStatement]
	return &RefusedError{
		Table: st.Tables[0].String(), Offset: st.Offset,
		Rule: "several results in one text", Remedy: "send the statements one at a time",
	}
}

// maxTables bounds how often one analysis may ask for another table's columns.
const maxTables = 64

// splice applies a plan's edits to the user's text. literal gives the text of a sealed literal; nil stands
// NULL in its place, for preparing. needs tells which lookups' conditions are wanted; nil: all.
func splice(query string, p *sqlplan.Plan, needs func(lookup int) bool, literal func(value int) (string, error)) (string, error) {
	if len(p.Edits) == 0 {
		return query, nil
	}
	var b strings.Builder
	at := 0
	for _, e := range p.Edits {
		if e.Offset < at || e.End < e.Offset || e.End > len(query) {
			return "", fmt.Errorf("plan: edit at byte %d doesn't fit the statement", e.Offset)
		}
		if e.Lookup > 0 && needs != nil && !needs(e.Lookup-1) {
			continue
		}
		b.WriteString(query[at:e.Offset])
		at = e.End
		switch {
		case e.Value == 0:
			b.WriteString(e.Text)
		case literal == nil:
			b.WriteString("NULL")
		default:
			text, err := literal(e.Value - 1)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
		}
	}
	b.WriteString(query[at:])
	return b.String(), nil
}
