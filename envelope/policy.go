package envelope

import (
	"fmt"
	"math"
	"time"

	"github.com/asherah-sql/asherah-sql/cache"
)

// CryptoPolicy says how long keys are used and kept. The zero value is the
// policy of the Asherah SDKs.
type CryptoPolicy struct {
	// ExpireAfter is how long a system or intermediate key encrypts, from the
	// time that its row carries. 0: 90 days; at least one second.
	ExpireAfter time.Duration

	// RevokeCheck is how long a key is used before its row is read again: a
	// revocation, or a newer key, takes effect within it. 0: 60 minutes; at
	// most ten years.
	//
	// From three quarters of it on, one caller reads while the others go on.
	// When the metastore or the KMS doesn't answer, a key whose last answer was
	// good is used for up to three times the interval since that answer, then
	// encrypting is an error.
	RevokeCheck time.Duration

	// CreatePrecision is what the time in a new key's row is truncated to, so
	// that processes which create a key at the same time meet in one row.
	// 0: one minute; at least one second.
	CreatePrecision time.Duration

	// Cache is the kind of all caches. 0: cache.Simple, which holds every key
	// that was ever used.
	Cache cache.Kind

	// CacheSize is how many system keys, and how many intermediate keys, are
	// kept for reading, by caches that have a capacity. 0: 1000.
	CacheSize int

	// SessionCacheSize is of how many partitions the key that encrypts is kept
	// at hand, by caches that have a capacity. 0: 1000.
	SessionCacheSize int

	// DataKeyReuse is how many bound records one data key may seal. 1 (and 0)
	// is a key for each value, or for each statement with a [Scope]. More: keys
	// are shared by all sessions and scopes of a partition, each for that many
	// records and at most five minutes. DataRowRecords never share.
	DataKeyReuse int
}

// Times that aren't options.
const (
	dataKeyLife   = 5 * time.Minute        // how long a data key is shared
	staleFactor   = 3                      // × RevokeCheck: how long a key outlives its last confirmation
	maxRetryPause = 30 * time.Second       // between two attempts to confirm a key during an outage
	storePatience = 500 * time.Millisecond // for an answer about a key that may be used without one
	confirmPause  = time.Second            // between two requests to confirm all keys, see Confirm
	maxAhead      = 24 * time.Hour         // how far a new key's time may lie in the future
)

// wrapLimit is how many data keys one intermediate key seals in one process.
// With random nonces of 96 bits, 2³² seals are where a repeated nonce becomes
// likelier than 2⁻³²; half of that leaves room for another process or two.
const wrapLimit = 1 << 31

func (p CryptoPolicy) normalized() (CryptoPolicy, error) {
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
		least    time.Duration
		most     time.Duration
	}{
		{"ExpireAfter", &p.ExpireAfter, 90 * 24 * time.Hour, time.Second, math.MaxInt64},
		{"RevokeCheck", &p.RevokeCheck, 60 * time.Minute, 1, 10 * 365 * 24 * time.Hour},
		{"CreatePrecision", &p.CreatePrecision, time.Minute, time.Second, math.MaxInt64},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < d.least {
			return p, fmt.Errorf("policy: %s: want %v or more, got %v", d.name, d.least, *d.value)
		}
		if *d.value > d.most {
			return p, fmt.Errorf("policy: %s: want %v or less, got %v", d.name, d.most, *d.value)
		}
	}
	for _, n := range []struct {
		name     string
		value    *int
		standard int
	}{
		{"CacheSize", &p.CacheSize, 1000},
		{"SessionCacheSize", &p.SessionCacheSize, 1000},
		{"DataKeyReuse", &p.DataKeyReuse, 1},
	} {
		if *n.value == 0 {
			*n.value = n.standard
		}
		if *n.value < 1 {
			return p, fmt.Errorf("policy: %s: want 1 or more, got %d", n.name, *n.value)
		}
	}
	if p.Cache == 0 {
		p.Cache = cache.Simple
	}
	return p, nil
}
