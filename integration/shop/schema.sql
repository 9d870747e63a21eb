CREATE TABLE IF NOT EXISTS customers (
	id         BIGINT NOT NULL PRIMARY KEY,
	tenant_id  VARCHAR(40) NOT NULL,
	code       VARCHAR(20) NOT NULL,
	name       VARCHAR(100) NOT NULL,
	email      TEXT NOT NULL,
	phone      TEXT,
	notes      TEXT,
	created_at $TIME NOT NULL,
	UNIQUE (tenant_id, code)
);

CREATE TABLE IF NOT EXISTS orders (
	id          $SERIAL,
	customer_id BIGINT NOT NULL REFERENCES customers (id),
	reference   VARCHAR(20) NOT NULL,
	status      VARCHAR(20) NOT NULL,
	total_cents BIGINT NOT NULL,
	placed_at   $TIME NOT NULL
);

CREATE TABLE IF NOT EXISTS payments (
	id            BIGINT NOT NULL PRIMARY KEY,
	order_id      BIGINT NOT NULL,
	method        VARCHAR(20) NOT NULL,
	card_number   TEXT,
	holder        TEXT,
	amount        BIGINT NOT NULL,
	authorized_at $TIME,
	signature     $BLOB
);
