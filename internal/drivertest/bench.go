package drivertest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/base64"
	"slices"
	"testing"
	"time"
)

// The benchmarks compare the wrapper with the bare driver on a real server, over its Unix socket where it has
// one. Bare and wrapped executions take turns, on the same connection, because two connections to one server
// may differ by more than what is measured. What is reported is the medians of several such runs.

// measured are the times of single executions, in ns.
type measured []float64

func (m measured) at(quantile float64) float64 {
	sorted := slices.Sorted(slices.Values(m))
	return sorted[min(int(quantile*float64(len(sorted))), len(sorted)-1)]
}

func (m measured) median() float64 { return m.at(0.5) }

// block is how many executions are done before it is the other's turn: a program that uses one of them finds
// its own code and data in the processor's caches.
const block = 50

// timed does a block of executions.
func timed(m measured, f func()) measured {
	for range block {
		t := time.Now()
		f()
		m = append(m, float64(time.Since(t)))
	}
	return m
}

// InTurns runs bare and wrapped in turns and reports, as medians over the runs: each one's p50 and p99, the
// ratio and the difference of the p50s, and the same of the p99s. per is what one execution is divided by.
func InTurns(b *testing.B, per float64, bare, wrapped func()) {
	const runs = 7
	n := max(1, b.N/runs)
	for range min(n, 200) { // warm up
		bare()
		wrapped()
	}
	var bare50, bare99, wrapped50, wrapped99, ratio, ratio99, more measured
	b.ResetTimer()
	for range runs {
		var x, y measured
		for i := range max(1, n/block) {
			// Neither always comes first.
			for turn := range 2 {
				if turn == i%2 {
					x = timed(x, bare)
				} else {
					y = timed(y, wrapped)
				}
			}
		}
		bare50, bare99 = append(bare50, x.at(0.5)), append(bare99, x.at(0.99))
		wrapped50, wrapped99 = append(wrapped50, y.at(0.5)), append(wrapped99, y.at(0.99))
		ratio, ratio99 = append(ratio, y.at(0.5)/x.at(0.5)), append(ratio99, y.at(0.99)/x.at(0.99))
		more = append(more, (y.at(0.5)-x.at(0.5))/per)
	}
	b.ReportMetric(bare50.median()/per, "bare-p50-ns")
	b.ReportMetric(bare99.median()/per, "bare-p99-ns")
	b.ReportMetric(wrapped50.median()/per, "p50-ns")
	b.ReportMetric(wrapped99.median()/per, "p99-ns")
	b.ReportMetric(ratio.median(), "×bare-p50")
	b.ReportMetric(ratio99.median(), "×bare-p99")
	b.ReportMetric(more.median(), "p50-more-ns")
	b.ReportMetric(0, "ns/op")
}

// OneConnection is a connector whose one connection all its users have, one after the other. Conn's Close must not
// end it.
type OneConnection struct {
	sqldriver.Connector
	Conn sqldriver.Conn
}

// Connect returns the connection.
func (s *OneConnection) Connect(context.Context) (sqldriver.Conn, error) { return s.Conn, nil }

// SealFloor returns the cryptography of storing a value of up to 100 bytes and no more: randomness, the data key's
// expansion and its seal under a key that is ready, the value's seal, base64.
func SealFloor(b *testing.B, value string) func() {
	expanded := func(key []byte) cipher.AEAD {
		block, err := aes.NewCipher(key)
		if err != nil {
			b.Fatal(err)
		}
		a, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	ready, random, wrapped, payload := expanded(make([]byte, 32)), make([]byte, 56), make([]byte, 60), []byte(value)
	body, text := make([]byte, 202), make([]byte, 270)
	return func() {
		_, _ = rand.Read(random)
		ready.Seal(wrapped[:0], random[32:44], random[:32], nil)
		expanded(random[:32]).Seal(body[:0], random[44:], payload, nil)
		base64.RawURLEncoding.Encode(text, body)
	}
}

// ReadUsers returns a function that reads a query's rows, a tenant_id and an email each, of which there are n.
func ReadUsers(b *testing.B, d *sql.DB, query string, n int) func() {
	return func() {
		rows, err := d.Query(query)
		if err != nil {
			b.Fatal(err)
		}
		var tenant, email string
		got := 0
		for rows.Next() {
			if err := rows.Scan(&tenant, &email); err != nil {
				b.Fatal(err)
			}
			got++
		}
		if err := rows.Close(); err != nil || got != n {
			b.Fatalf("got %d rows, %v", got, err)
		}
	}
}
