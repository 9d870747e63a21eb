// Package shop is an ordinary program over database/sql: customers of several tenants, their orders
// and the payments for them. It knows nothing of encryption; its models' encrypt tags are comments to
// it. What it prints depends on nothing but what the database answers, so that two runs can be compared.
package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Shop is the program's connection to its database.
type Shop struct {
	db  *sql.DB
	d   dialect
	out io.Writer
}

// Prepare makes the tables as the encrypted shop needs them: on a database that enforces types, its
// encrypted columns become TEXT. It is what an operator runs once, with the plain driver, before the
// program's driver changes.
func Prepare(ctx context.Context, db *sql.DB) error {
	d, err := detect(ctx, db)
	if err != nil {
		return err
	}
	statements := d.ddl()
	if d.widen != "" {
		statements = append(statements, d.widen)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("prepare tables: %w", err)
		}
	}
	return nil
}

// Run sets up the tables in an empty database, lets a day pass in the shop and prints what happens.
func Run(ctx context.Context, db *sql.DB, out io.Writer) error {
	d, err := detect(ctx, db)
	if err != nil {
		return err
	}
	s := &Shop{db: db, d: d, out: out}
	for _, ddl := range d.ddl() {
		if _, err := db.ExecContext(ctx, ddl); err != nil {
			return fmt.Errorf("create tables: %w", err)
		}
	}
	steps := []struct {
		title string
		run   func(context.Context) error
	}{
		{"import customers", s.importCustomers},
		{"register customers", s.registerCustomers},
		{"take orders", s.takeOrders},
		{"a fraud that is noticed", s.fraud},
		{"settle payments", s.settlePayments},
		{"correct records", s.correctRecords},
		{"customers, page by page", s.listCustomers},
		{"customers as they are stored", s.dumpCustomers},
		{"orders and how they were paid", s.listPayments},
		{"turnover", s.turnover},
		{"forget customers", s.forgetCustomers},
	}
	for _, step := range steps {
		fmt.Fprintf(out, "\n# %s\n", step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return nil
}

// opening is the moment at which the shop's day begins.
var opening = time.Date(2024, time.November, 5, 9, 0, 0, 0, time.UTC)

func text(s string) *string { return &s }

func known(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }

// importCustomers inserts the customers of several tenants with one statement.
func (s *Shop) importCustomers(ctx context.Context) error {
	customers := []Customer{
		{ID: 1, TenantID: "acme", Code: "A-1", Name: "Ada", Email: "ada.lovelace@engine.example", Phone: known("+44 20 7946 0123"), Notes: text("allergic to penicillin")},
		{ID: 2, TenantID: "acme", Code: "A-2", Name: "Blaise", Email: "blaise.pascal@pari.example", Phone: known("+33 4 7398 0456"), Notes: nil},
		{ID: 3, TenantID: "globex", Code: "A-1", Name: "Carl", Email: "c.f.gauss@göttingen.example", Notes: text("prefers Geheimrat; credit limit 17 Thaler")},
		{ID: 4, TenantID: "globex", Code: "G-7", Name: "Daniel", Email: "daniel.bernoulli@basel.example", Phone: known("+41 61 555 0789"), Notes: text("")},
		{ID: 5, TenantID: "initech", Code: "I-1", Name: "Emmy", Email: "emmy.noether@erlangen.example", Phone: known("+49 9131 555 0147"), Notes: text("ring theory; won't take calls before noon")},
		{ID: 6, TenantID: "acme", Code: "A-3", Name: "Felix", Email: "felix.klein@bottle.example"},
		{ID: 7, TenantID: "acme", Code: "A-4", Name: "Grace", Email: "grace.hopper@cobol.example", Notes: text("found a real moth in relay 70")},
	}
	var rows []string
	var args []any
	for i, c := range customers {
		rows = append(rows, "(?, ?, ?, ?, ?, ?, ?, ?)")
		args = append(args, c.ID, c.TenantID, c.Code, c.Name, c.Email, c.Phone, c.Notes, opening.AddDate(0, -i, 0))
	}
	res, err := s.db.ExecContext(ctx, s.d.bind(
		"INSERT INTO customers (id, tenant_id, code, name, email, phone, notes, created_at) VALUES "+strings.Join(rows, ", ")), args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	fmt.Fprintf(s.out, "%d customers\n", n)
	return err
}

// registerCustomers inserts customers one by one: with a prepared statement, and with one that
// returns the row as the database has it.
func (s *Shop) registerCustomers(ctx context.Context) error {
	insert, err := s.db.PrepareContext(ctx, s.d.bind(
		"INSERT INTO customers (id, tenant_id, code, name, email, phone, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"))
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range 4 {
		email := fmt.Sprintf("walk-in.%d@counter.example", i+1)
		phone := sql.NullString{String: fmt.Sprintf("+1 555 0100 %02d", i), Valid: i%2 == 0}
		if _, err := insert.ExecContext(ctx, 20+i, "initech", fmt.Sprintf("W-%d", i), "Walk-in", email, phone, opening.Add(time.Duration(i)*time.Minute)); err != nil {
			return err
		}
	}
	row := s.db.QueryRowContext(ctx, s.d.bind(
		"INSERT INTO customers (id, tenant_id, code, name, email, notes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id, name, email, phone, notes"),
		30, "globex", "G-8", "Hypatia", "hypatia@library.example", "pays in drachmae", opening)
	var c Customer
	if err := row.Scan(&c.ID, &c.Name, &c.Email, &c.Phone, &c.Notes); err != nil {
		return err
	}
	s.printCustomer(c)
	return nil
}

// takeOrders places orders with their payments.
func (s *Shop) takeOrders(ctx context.Context) error {
	baskets := []basket{
		{1, 129_95, []string{"4111 1111 4555 1142"}, "MS A K LOVELACE-KING", 129_950_017_423},
		{3, 8_50, []string{"5500 0055 5555 5559", "3714 4963 5398 431"}, "HERR JCF GAUSS", 808_500_281_979},
		{5, 77_00, nil, "", 577_215_664_901},
		{1, 20_00, []string{"6011 0009 9013 9424"}, "CHAS BABBAGE ESQ", 662_607_015_987},
	}
	for i, b := range baskets {
		if err := s.takeOrder(ctx, i, b); err != nil {
			return err
		}
	}
	return nil
}

// basket is what a customer brings to the counter.
type basket struct {
	customer int64
	cents    int64
	cards    []string // tried in order, the last one is accepted; none: cash
	holder   string
	micros   int64
}

// takeOrder places one order; a card that is declined is taken back to a savepoint.
func (s *Shop) takeOrder(ctx context.Context, i int, b basket) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	id, err := s.insertOrder(ctx, tx, Order{
		CustomerID: b.customer, Reference: fmt.Sprintf("R-%03d", i+1), Status: "open",
		TotalCents: b.cents, PlacedAt: opening.Add(time.Duration(i) * time.Hour),
	})
	if err != nil {
		return err
	}
	pay := Payment{ID: id * 10, OrderID: id, Method: "cash", Amount: b.micros}
	if len(b.cards) == 0 {
		err = s.insertPayment(ctx, tx, pay)
	}
	for attempt, card := range b.cards {
		pay.ID, pay.Method, pay.CardNumber, pay.Holder = id*10+int64(attempt), "card", known(card), text(b.holder)
		pay.AuthorizedAt = sql.NullTime{Time: time.Date(2024, time.November, 5, 13, 37, 42+attempt, 0, time.UTC), Valid: true}
		pay.Signature = []byte("\x00\x01ink of " + b.holder + "\xff\xfe")
		end := "ROLLBACK TO SAVEPOINT charge"
		if attempt == len(b.cards)-1 {
			end = "RELEASE SAVEPOINT charge"
		} else {
			fmt.Fprintf(s.out, "order %d: card %d is declined\n", id, attempt+1)
		}
		if _, err = tx.ExecContext(ctx, "SAVEPOINT charge"); err != nil {
			break
		}
		if err = s.insertPayment(ctx, tx, pay); err != nil {
			break
		}
		if _, err = tx.ExecContext(ctx, end); err != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "order %d: paid by %s\n", id, pay.Method)
	return tx.Commit()
}

func (s *Shop) insertOrder(ctx context.Context, tx *sql.Tx, o Order) (int64, error) {
	query := s.d.bind("INSERT INTO orders (customer_id, reference, status, total_cents, placed_at) VALUES (?, ?, ?, ?, ?)")
	args := []any{o.CustomerID, o.Reference, o.Status, o.TotalCents, o.PlacedAt}
	if s.d.lastID {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		return res.LastInsertId()
	}
	var id int64
	err := tx.QueryRowContext(ctx, query+" RETURNING id", args...).Scan(&id)
	return id, err
}

func (s *Shop) insertPayment(ctx context.Context, tx *sql.Tx, p Payment) error {
	_, err := tx.ExecContext(ctx, s.d.bind(
		"INSERT INTO payments (id, order_id, method, card_number, holder, amount, authorized_at, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
		p.ID, p.OrderID, p.Method, p.CardNumber, p.Holder, p.Amount, p.AuthorizedAt, p.Signature)
	return err
}

// fraud enters a customer of a tenant of their own and a payment, looks at both, and takes all of it back.
func (s *Shop) fraud(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, s.d.bind("INSERT INTO customers (id, tenant_id, code, name, email, created_at) VALUES (?, ?, ?, ?, ?, ?)"),
		66, "shell-company", "X-1", "Mallory", "mallory@offshore.example", opening); err != nil {
		return err
	}
	if err := s.insertPayment(ctx, tx, Payment{ID: 666, OrderID: 1, Method: "card", CardNumber: known("3530 1113 3330 0000"), Holder: text("M ALLORY"), Amount: 999_999_999_989}); err != nil {
		return err
	}
	var email, holder string
	if err := tx.QueryRowContext(ctx, s.d.bind("SELECT c.email, p.holder FROM customers c, payments p WHERE c.id = ? AND p.id = ?"), 66, 666).Scan(&email, &holder); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s and %s look suspicious\n", email, holder)
	if err := tx.Rollback(); err != nil {
		return err
	}
	var n int
	err = s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM customers WHERE tenant_id = 'shell-company'").Scan(&n)
	fmt.Fprintf(s.out, "%d left\n", n)
	return err
}

// settlePayments takes over what the bank says: payments that are known already get its words.
func (s *Shop) settlePayments(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	upsert, err := tx.PrepareContext(ctx, s.d.bind(
		"INSERT INTO payments (id, order_id, method, holder, amount) VALUES (?, ?, ?, ?, ?)")+
		s.d.upsert("id", "method", "holder", "amount"))
	if err != nil {
		return err
	}
	defer upsert.Close()
	for _, p := range []Payment{
		{ID: 10, OrderID: 1, Method: "card", Holder: text("AUGUSTA ADA KING"), Amount: 129_950_017_423},
		{ID: 31, OrderID: 3, Method: "bank", Holder: text("ERLANGEN UNIVERSITY TREASURY"), Amount: 141_421_356_237},
	} {
		if _, err := upsert.ExecContext(ctx, p.ID, p.OrderID, p.Method, p.Holder, p.Amount); err != nil {
			return err
		}
		var amount int64
		var holder string
		if err := tx.QueryRowContext(ctx, s.d.bind("SELECT amount, holder FROM payments WHERE id = ?"), p.ID).Scan(&amount, &holder); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "payment %d: %d by %s\n", p.ID, amount, holder)
	}
	return tx.Commit()
}

// correctRecords changes rows in the ways in which programs do.
func (s *Shop) correctRecords(ctx context.Context) error {
	changes := []struct {
		query string
		args  []any
	}{
		{"UPDATE customers SET email = ?, phone = ? WHERE id = ? AND tenant_id = ?", []any{"b.pascal@port-royal.example", nil, 2, "acme"}},
		{"UPDATE customers SET notes = ? WHERE id = ?", []any{"found to be allergic to codfish too", 1}},
		{"UPDATE customers SET phone = 'withheld on request' WHERE tenant_id = 'globex' AND phone IS NULL", nil},
		{"UPDATE customers SET name = ? WHERE id = ?", []any{"Felix K.", 6}},
		{"UPDATE orders SET status = ? WHERE id IN (SELECT order_id FROM payments WHERE amount IS NOT NULL)", []any{"paid"}},
		{"INSERT INTO customers (id, tenant_id, code, name, email, phone, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)" + s.d.upsert("tenant_id, code", "name", "email", "phone"),
			[]any{91, "globex", "G-7", "Daniel B.", "d.bernoulli@st-petersburg.example", "+7 812 555 0456", opening}},
		{"UPDATE customers SET email = ? WHERE id = ? AND tenant_id = ?", []any{"nobody@nowhere.example", 5, "acme"}},
	}
	for _, c := range changes {
		res, err := s.db.ExecContext(ctx, s.d.bind(c.query), c.args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(c.query, " ")
		fmt.Fprintf(s.out, "%s %.40s…: %d\n", verb, rest, n)
	}
	return nil
}

func (s *Shop) printCustomer(c Customer) {
	notes := "-"
	if c.Notes != nil {
		notes = fmt.Sprintf("%q", *c.Notes)
	}
	phone := "-"
	if c.Phone.Valid {
		phone = c.Phone.String
	}
	fmt.Fprintf(s.out, "%3d %-9s %-36s %-22s %s\n", c.ID, c.Name, c.Email, phone, notes)
}

// listCustomers walks through one statement's pages, prepared once.
func (s *Shop) listCustomers(ctx context.Context) error {
	page, err := s.db.PrepareContext(ctx, s.d.bind("SELECT id, name, email, phone, notes FROM customers ORDER BY id LIMIT ? OFFSET ?"))
	if err != nil {
		return err
	}
	defer page.Close()
	const size = 5
	for n := 0; ; n++ {
		rows, err := page.QueryContext(ctx, size, n*size)
		if err != nil {
			return err
		}
		count := 0
		for rows.Next() {
			var c Customer
			if err := rows.Scan(&c.ID, &c.Name, &c.Email, &c.Phone, &c.Notes); err != nil {
				return errors.Join(err, rows.Close())
			}
			s.printCustomer(c)
			count++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "page %d: %d\n", n+1, count)
		if count < size {
			return nil
		}
	}
}

// dumpCustomers reads whole rows without knowing their columns.
func (s *Shop) dumpCustomers(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, s.d.bind("SELECT * FROM customers WHERE tenant_id = ? ORDER BY id"), "acme")
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, strings.Join(names, " | "))
	for rows.Next() {
		values := make([]any, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		fields := make([]string, len(names))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
				fields[i] = "NULL"
			case []byte:
				fields[i] = string(v)
			case time.Time:
				fields[i] = v.UTC().Format(time.DateTime)
			default:
				fields[i] = fmt.Sprint(v)
			}
		}
		fmt.Fprintln(s.out, strings.Join(fields, " | "))
	}
	return rows.Err()
}

// listPayments joins the three tables; a customer without orders has none of the others' columns.
func (s *Shop) listPayments(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, `
		SELECT c.name, c.email AS contact, o.reference, o.placed_at, p.*
		FROM customers c
		LEFT JOIN orders o ON o.customer_id = c.id
		LEFT JOIN payments p ON p.order_id = o.id
		WHERE c.id < 6
		ORDER BY c.id, o.id, p.id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, contact string
		var reference, method, card, holder sql.NullString
		var placed, authorized sql.NullTime
		var id, order, amount sql.NullInt64
		var signature []byte
		if err := rows.Scan(&name, &contact, &reference, &placed, &id, &order, &method, &card, &holder, &amount, &authorized, &signature); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%-9s %-34s %s %s\n", name, contact, reference.String, when(placed))
		if id.Valid {
			fmt.Fprintf(s.out, "    %d: %s %q by %q, %d, %s, signed %q\n", id.Int64, method.String, card.String, holder.String, amount.Int64, when(authorized), signature)
		}
	}
	return rows.Err()
}

func when(t sql.NullTime) string {
	if !t.Valid {
		return "never"
	}
	return t.Time.UTC().Format(time.DateTime)
}

// turnover adds up in the database what it can, and the amounts in the program.
func (s *Shop) turnover(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, s.d.bind(`
		WITH totals AS (
			SELECT customer_id, COUNT(*) AS orders, SUM(total_cents) AS cents
			FROM orders WHERE status = ? GROUP BY customer_id
		)
		SELECT c.name, c.email, t.orders, t.cents
		FROM totals t JOIN customers c ON c.id = t.customer_id
		ORDER BY t.cents DESC`), "paid")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, email string
		var orders, cents int64
		if err := rows.Scan(&name, &email, &orders, &cents); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%-9s %-34s %d orders, %d cents\n", name, email, orders, cents)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var customers, phones, tenants int
	if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*), COUNT(phone), COUNT(DISTINCT tenant_id) FROM customers").Scan(&customers, &phones, &tenants); err != nil {
		return err
	}
	amounts, err := s.db.QueryContext(ctx, "SELECT amount FROM payments ORDER BY id")
	if err != nil {
		return err
	}
	defer amounts.Close()
	var sum int64
	for amounts.Next() {
		var amount int64
		if err := amounts.Scan(&amount); err != nil {
			return err
		}
		sum += amount
	}
	fmt.Fprintf(s.out, "%d customers of %d tenants, %d with a phone; %d millionths taken\n", customers, tenants, phones, sum)
	return amounts.Err()
}

// forgetCustomers deletes one customer, telling whom, and all that only walked in.
func (s *Shop) forgetCustomers(ctx context.Context) error {
	var email string
	var notes *string
	if err := s.db.QueryRowContext(ctx, s.d.bind("DELETE FROM customers WHERE tenant_id = ? AND id = ? RETURNING email, notes"), "acme", 7).Scan(&email, &notes); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "forgot %s (%s)\n", email, *notes)
	res, err := s.db.ExecContext(ctx, s.d.bind("DELETE FROM customers WHERE code LIKE ? AND tenant_id = ?"), "W-%", "initech")
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	err = s.db.QueryRowContext(ctx, s.d.bind("SELECT email FROM customers WHERE id = ?"), 7).Scan(&email)
	fmt.Fprintf(s.out, "forgot %d more; the first is gone: %t\n", n, errors.Is(err, sql.ErrNoRows))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
