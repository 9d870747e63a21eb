// Package sqlgen makes random statements for tests, over tables that some of the tests' columns are encrypted in, and
// the definitions and rows of those tables for each database.
package sqlgen

import (
	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Database is the name of the database that MariaDB's statements run in.
const Database = "world"

type customer struct {
	ID    string
	Email *string `encrypt:"partition"`
	Phone *string `encrypt:"partition"`
	Card  *string `encrypt:"partition"`
}

type profile struct {
	ID  string
	SSN *string `encrypt:"partition"`
}

type order struct {
	ID     string
	CardNo *string `encrypt:"partition"`
}

type user struct {
	ID       string
	TenantID string
	Email    *string `encrypt:"tenant_id"`
	SSN      *string `encrypt:"tenant_id"`
	Pin      *string `encrypt:"tenant_id"`
	Admin    *string `encrypt:"tenant_id"`
	Note     *string `encrypt:"region"`
	Region   string
}

type document struct {
	ID     string
	Tenant string
	Body   *string `encrypt:"tenant"`
}

// Schema returns the tables as models in which all encrypted columns are texts.
func Schema() (*tags.Schema, error) {
	s := &tags.Schema{}
	for _, t := range []struct {
		name  string
		model any
	}{{"customers", customer{}}, {"profiles", profile{}}, {"orders", order{}}, {"users", user{}}, {"archive.documents", document{}}} {
		if err := s.RegisterTable(t.name, t.model); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Names are the tables, but for one that nothing is written to.
var Names = []string{"users", "customers", "orders", "archive.documents", "logs", "mails", "profiles"}

// Tables returns the statements that define the tables. On SQLite a database is to be attached as archive before. On
// the others all columns are texts, so that random statements compare what they like.
func Tables(d dialect.Dialect) []string {
	switch d {
	case dialect.Postgres:
		return []string{
			"CREATE SCHEMA archive",
			"CREATE TABLE users (id text UNIQUE, tenant_id text, email text, ssn text, name text, pin text, admin text, note text, region text, extra text)",
			"CREATE UNIQUE INDEX users_name ON users (tenant_id, name)",
			"CREATE UNIQUE INDEX users_region ON users (region, id)",
			"CREATE TABLE customers (id text UNIQUE, created_at text, updated_at text, deleted_at text, name text UNIQUE, email text, phone text, card text, age text)",
			"CREATE TABLE orders (id text UNIQUE, customer_id text, item text, card_no text)",
			"CREATE TABLE archive.documents (id text UNIQUE, tenant text, body text, UNIQUE (tenant, id))",
			"CREATE TABLE logs (id text UNIQUE, at text, line text, tenant_id text)",
			"CREATE TABLE mails (id text UNIQUE, email text, name text, users text)",
			"CREATE TABLE items (id text UNIQUE, note text, price text)",
			"CREATE TABLE profiles (id text UNIQUE, customer_id text, ssn text)",
		}
	case dialect.MySQL:
		return []string{
			"CREATE DATABASE IF NOT EXISTS archive",
			"CREATE TABLE users (id varchar(40) UNIQUE, tenant_id varchar(40), email text, ssn text, name varchar(90), pin text, admin text, note text, region varchar(40), extra text, UNIQUE users_name (tenant_id, name), UNIQUE users_region (region, id))",
			"CREATE TABLE customers (id varchar(40) UNIQUE, created_at text, updated_at text, deleted_at text, name varchar(90) UNIQUE, email text, phone text, card text, age text)",
			"CREATE TABLE orders (id varchar(40) UNIQUE, customer_id varchar(40), item text, card_no text)",
			"CREATE TABLE archive.documents (id varchar(40) UNIQUE, tenant varchar(40), body text, UNIQUE (tenant, id))",
			"CREATE TABLE logs (id varchar(40) UNIQUE, at text, line text, tenant_id varchar(40))",
			"CREATE TABLE mails (id varchar(40) UNIQUE, email text, name text, users text)",
			"CREATE TABLE items (id varchar(40) UNIQUE, note text, price text)",
			"CREATE TABLE profiles (id varchar(40) UNIQUE, customer_id varchar(40), ssn text)",
		}
	}
	return []string{
		"CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email, ssn, name TEXT, pin, admin, note, region, extra TEXT)",
		"CREATE UNIQUE INDEX users_name ON users (tenant_id, name)",
		"CREATE UNIQUE INDEX users_region ON users (region, id)",
		"CREATE TABLE customers (id INTEGER PRIMARY KEY, created_at, updated_at, deleted_at, name TEXT UNIQUE, email, phone, card, age)",
		"CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id, item, card_no)",
		"CREATE TABLE archive.documents (id INTEGER PRIMARY KEY, tenant, body, UNIQUE (tenant, id))",
		"CREATE TABLE logs (id INTEGER PRIMARY KEY, at TEXT, line TEXT, tenant_id TEXT)",
		"CREATE TABLE mails (id INTEGER PRIMARY KEY, email TEXT, name TEXT, users TEXT)",
		"CREATE TABLE items (id INTEGER PRIMARY KEY, note TEXT, price)",
		"CREATE TABLE profiles (id INTEGER PRIMARY KEY, customer_id, ssn)",
	}
}

// Rows returns the statements that fill the tables.
func Rows(d dialect.Dialect) []string {
	if d == dialect.SQLite {
		return []string{
			"INSERT INTO users VALUES (1, 'MKta', 'MK1', NULL, 'MK1', 'MK2', NULL, 'MK1', 1, 'MK1'), (2, 'MKta', 'MK2', 'MK1', 'MK2', NULL, 'MK1', NULL, 2, 'MK3'), (3, 'MKtb', 'MK1', 'MK1', 'MK1', NULL, NULL, 'MK2', 1, NULL), (4, NULL, NULL, NULL, 'MK4', NULL, NULL, NULL, NULL, NULL)",
			"INSERT INTO customers (id, name, email, phone, card, age) VALUES (1, 'MK1', 'MK1', NULL, 'MK2', 1), (2, 'MK2', 'MK2', 'MK1', NULL, 2), (3, 'MK3', NULL, NULL, NULL, NULL)",
			"INSERT INTO orders VALUES (1, 1, 'MK1', 'MK1'), (2, 1, 'MK2', NULL)",
			"INSERT INTO archive.documents VALUES (1, 1, 'MK1'), (2, 2, 'MK2')",
			"INSERT INTO logs VALUES (1, 'MK1', 'MK2', 'MKta'), (2, 'MK2', NULL, 'MKtb')",
			"INSERT INTO mails VALUES (1, 'MK1', 'MK1', 'MK1'), (3, 'MK2', 'MK2', 'users')",
		}
	}
	return []string{
		"INSERT INTO users VALUES ('1', 'MKta', 'MK1', NULL, 'MK1', 'MK2', NULL, 'MK1', '1', 'MK1'), ('2', 'MKta', 'MK2', 'MK1', 'MK2', NULL, 'MK1', NULL, '2', 'MK3'), ('3', 'MKtb', 'MK1', 'MK1', 'MK1', NULL, NULL, 'MK2', '1', NULL), ('4', NULL, NULL, NULL, 'MK4', NULL, NULL, NULL, NULL, NULL)",
		"INSERT INTO customers (id, name, email, phone, card, age) VALUES ('1', 'MK1', 'MK1', NULL, 'MK2', '1'), ('2', 'MK2', 'MK2', 'MK1', NULL, '2'), ('3', 'MK3', NULL, NULL, NULL, NULL)",
		"INSERT INTO orders VALUES ('1', '1', 'MK1', 'MK1'), ('2', '1', 'MK2', NULL)",
		"INSERT INTO archive.documents VALUES ('1', '1', 'MK1'), ('2', '2', 'MK2')",
		"INSERT INTO logs VALUES ('1', 'MK1', 'MK2', 'MKta'), ('2', 'MK2', NULL, 'MKtb')",
		"INSERT INTO mails VALUES ('1', 'MK1', 'MK1', 'MK1'), ('3', 'MK2', 'MK2', 'users')",
	}
}
