package envelope

import (
	"context"
	"errors"
	"fmt"
)

// Loader finds records where a program keeps them.
type Loader interface {
	// Load returns the record under a key, or an error if there is none.
	Load(ctx context.Context, key any) (*DataRowRecord, error)
}

// Storer puts records where a program keeps them.
type Storer interface {
	// Store keeps the record and returns the key to find it by.
	Store(ctx context.Context, record DataRowRecord) (key any, err error)
}

// LoaderFunc is a function as a [Loader].
type LoaderFunc func(ctx context.Context, key any) (*DataRowRecord, error)

// Load calls f.
func (f LoaderFunc) Load(ctx context.Context, key any) (*DataRowRecord, error) { return f(ctx, key) }

// StorerFunc is a function as a [Storer].
type StorerFunc func(ctx context.Context, record DataRowRecord) (any, error)

// Store calls f.
func (f StorerFunc) Store(ctx context.Context, record DataRowRecord) (any, error) {
	return f(ctx, record)
}

// Load decrypts the record that loader finds under key. Errors: the loader's,
// and those of Decrypt.
func (s *Session) Load(ctx context.Context, key any, loader Loader) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	record, err := loader.Load(ctx, key)
	if err == nil && record == nil {
		err = errors.New("the loader returned neither a record nor an error")
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return s.Decrypt(ctx, *record)
}

// Store encrypts a payload, gives the record to storer, and returns the key
// that storer returned. Errors: the storer's, and those of Encrypt.
func (s *Session) Store(ctx context.Context, payload []byte, storer Storer) (any, error) {
	record, err := s.Encrypt(ctx, payload)
	if err != nil {
		return nil, err
	}
	key, err := storer.Store(ctx, *record)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return key, nil
}
