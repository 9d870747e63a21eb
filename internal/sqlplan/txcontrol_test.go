package sqlplan

import (
	"slices"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

func TestTxControl(t *testing.T) {
	for _, c := range []struct {
		text string
		want []TxStatement
	}{
		{"", nil},
		{"SELECT 1", nil},
		{"SELECT 'BEGIN; COMMIT;'", nil},
		{"BEGIN", []TxStatement{{Op: TxBegin}}},
		{"begin;", []TxStatement{{Op: TxBegin}}},
		{" /* x */ BEGIN IMMEDIATE TRANSACTION t -- y", []TxStatement{{Op: TxBegin}}},
		{"BEGIN EXCLUSIVE", []TxStatement{{Op: TxBegin}}},
		{"COMMIT", []TxStatement{{Op: TxCommit}}},
		{"END TRANSACTION", []TxStatement{{Op: TxCommit}}},
		{"ROLLBACK", []TxStatement{{Op: TxRollback}}},
		{"ROLLBACK TRANSACTION", []TxStatement{{Op: TxRollback}}},
		{"ROLLBACK TRANSACTION t", []TxStatement{{Op: TxRollback}}},
		{"ROLLBACK TO sp", []TxStatement{{TxRollbackTo, "sp"}}},
		{`ROLLBACK TRANSACTION TO SAVEPOINT "Sp""1"`, []TxStatement{{TxRollbackTo, `sp"1`}}},
		{"SAVEPOINT [My Point]", []TxStatement{{TxSavepoint, "my point"}}},
		{"SAVEPOINT 'x'", []TxStatement{{TxSavepoint, "x"}}},
		{"RELEASE a", []TxStatement{{TxRelease, "a"}}},
		{"RELEASE SAVEPOINT A", []TxStatement{{TxRelease, "a"}}},
		{"SAVEPOINT savepoint", []TxStatement{{TxSavepoint, "savepoint"}}},
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT;", []TxStatement{{Op: TxBegin}, {Op: TxCommit}}},
		{"INSERT INTO t VALUES ('; COMMIT'); SAVEPOINT a; ; RELEASE a", []TxStatement{{TxSavepoint, "a"}, {TxRelease, "a"}}},
		// Not what they seem to be.
		{"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", nil},
		{"CREATE TRIGGER x AFTER INSERT ON t WHEN CASE WHEN 1 THEN 1 END BEGIN SELECT CASE 1 WHEN 2 THEN 3 END; DELETE FROM t; END; COMMIT", []TxStatement{{Op: TxCommit}}},
		{"CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; END", []TxStatement{{Op: TxCommit}}},
		{"EXPLAIN QUERY PLAN CREATE TEMPORARY TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", nil},
		{"CREATE TABLE trigger (a); COMMIT", []TxStatement{{Op: TxCommit}}},
		{"CREATE VIRTUAL TABLE v USING m(a; COMMIT; b)", nil},
		{"EXPLAIN COMMIT", nil},
		{"BEGIN DEFERRED IMMEDIATE", nil},
		{"COMMIT NOW", nil},
		{"ROLLBACK TO", nil},
		{"SAVEPOINT", nil},
		{"RELEASE SAVEPOINT", nil},
		{"SAVEPOINT a b c d e f g h i", nil},
		{"SELECT (1; COMMIT", nil},
		// What stands before a broken token is run.
		{"BEGIN; SELECT 'oops; COMMIT", []TxStatement{{Op: TxBegin}}},
		{"BEGIN ^", nil},
	} {
		if got := TxControl(c.text, dialect.SQLite); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, got, c.want)
		}
	}
	if got := TxControl("BEGIN", dialect.Oracle); got != nil {
		t.Errorf("of a dialect that isn't built: %v", got)
	}
}

func TestTxControlOfPostgreSQL(t *testing.T) {
	for _, c := range []struct {
		text string
		want []TxStatement
	}{
		{"SELECT 1", nil},
		{"BEGIN", []TxStatement{{Op: TxBegin}}},
		{"begin work;", []TxStatement{{Op: TxBegin}}},
		{"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE", []TxStatement{{Op: TxBegin}}},
		{"START TRANSACTION READ WRITE", []TxStatement{{Op: TxBegin}}},
		{"START", nil},
		{"START WORK", nil},
		{"COMMIT", []TxStatement{{Op: TxCommit}}},
		{"COMMIT AND NO CHAIN", []TxStatement{{Op: TxCommit}}},
		{"END WORK", []TxStatement{{Op: TxCommit}}},
		{"PREPARE TRANSACTION 'x'", []TxStatement{{Op: TxCommit}}},
		{"PREPARE p AS SELECT 1", nil},
		{"COMMIT PREPARED 'x'", nil},
		{"ROLLBACK PREPARED 'x'", nil},
		{"ABORT", []TxStatement{{Op: TxRollback}}},
		{"ROLLBACK TRANSACTION AND CHAIN", []TxStatement{{Op: TxRollback}}},
		{"ROLLBACK TO sp", []TxStatement{{TxRollbackTo, "sp"}}},
		{`ROLLBACK WORK TO SAVEPOINT "Sp"`, []TxStatement{{TxRollbackTo, "sp"}}},
		{`SAVEPOINT U&"\0061"`, []TxStatement{{TxSavepoint, "a"}}},
		{"RELEASE SAVEPOINT a", []TxStatement{{TxRelease, "a"}}},
		{"RELEASE savepoint", []TxStatement{{TxRelease, "savepoint"}}},
		{"BEGIN; INSERT INTO t VALUES ($$; COMMIT$$); COMMIT;", []TxStatement{{Op: TxBegin}, {Op: TxCommit}}},
		{"SELECT 1 /* ; /* COMMIT */ ; */; SAVEPOINT a", []TxStatement{{TxSavepoint, "a"}}},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT", []TxStatement{{Op: TxCommit}}},
		{"DO $$BEGIN COMMIT; END$$; END", []TxStatement{{Op: TxCommit}}},
		{"COMMIT NOW", nil},
		{"BEGIN ISOLATION LEVEL", nil},
		{"EXPLAIN COMMIT", nil},
	} {
		if got := TxControl(c.text, dialect.Postgres); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, got, c.want)
		}
	}
}
