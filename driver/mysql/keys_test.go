package mysql_test

const insertUser = `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`
