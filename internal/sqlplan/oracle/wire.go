package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Table is a table of the database, as the two sides are told.
type Table struct {
	Name      string   `json:"n"`
	Columns   []string `json:"c"`
	Encrypted []string `json:"e,omitempty"` // of Columns; none: the table isn't registered
}

// Request asks for the reading of a text.
type Request struct {
	Text   string  `json:"t"`
	Tables []Table `json:"s,omitempty"`
	Mode   string  `json:"m,omitempty"` // of the dialect's own
	Learn  bool    `json:"l,omitempty"` // say which tables and columns it names, instead of where values go
}

// Response is the reading of a text.
type Response struct {
	Rejected   string  `json:"r,omitempty"` // the grammar's message
	Statements []Facts `json:"f,omitempty"`
	Learned    []Table `json:"l,omitempty"`
}

// Facts is what the walk found in one statement.
type Facts struct {
	Kind    string   `json:"k"`
	Tables  []string `json:"t,omitempty"` // registered tables that it reads or writes
	Stores  []Store  `json:"s,omitempty"`
	Reads   []int    `json:"d,omitempty"` // placeholders and literals whose value is used for something else, by offsets
	Outputs []string `json:"o,omitempty"` // "table.column" of an encrypted one, or ""
	Misuses []string `json:"m,omitempty"` // of encrypted columns: what must be refused
	Invalid string   `json:"i,omitempty"` // why the database refuses it although the grammar doesn't
}

// Store is a placeholder or a literal that reaches an encrypted column.
type Store struct {
	Offset int    `json:"o"` // in bytes
	Column string `json:"c"` // table.column
}

// Reader parses a text and brings the tree into this package's form. The error is the grammar's refusal.
type Reader func(text, mode string) ([]*Stmt, error)

// Serve answers the requests of standard input until it ends: a line of JSON each.
func Serve(r *Rules, read Reader) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	enc := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var q Request
		if err == nil {
			err = json.Unmarshal(line, &q)
		}
		if err == nil {
			err = enc.Encode(answer(r, read, &q))
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func answer(r *Rules, read Reader, q *Request) *Response {
	stmts, err := read(q.Text, q.Mode)
	if err != nil {
		return &Response{Rejected: err.Error()}
	}
	if q.Learn {
		return &Response{Learned: Learn(r, stmts)}
	}
	return &Response{Statements: Walk(r, q.Tables, stmts)}
}
