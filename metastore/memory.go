package metastore

import (
	"context"
	"fmt"
	"sync"
)

// Memory is a [Store] that lives and dies with the process: for tests, and for
// data that dies with it too. It is safe for concurrent use. Make one with
// [NewMemory].
type Memory struct {
	mu     sync.RWMutex                            // guards the fields below
	rows   map[string]map[int64]*EnvelopeKeyRecord // id → created → record, never handed out
	latest map[string]int64                        // id → highest created
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		rows:   make(map[string]map[int64]*EnvelopeKeyRecord),
		latest: make(map[string]int64),
	}
}

// Kind names the store in the metrics, see envelope.Observer.
func (m *Memory) Kind() string { return "memory" }

// Load implements [Store].
func (m *Memory) Load(ctx context.Context, meta KeyMeta) (*EnvelopeKeyRecord, error) {
	if err := begin(ctx, "load", meta.ID); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.rows[meta.ID][meta.Created]
	if !ok {
		return nil, fmt.Errorf("metastore: load: %w", ErrNotFound)
	}
	return r.Clone(), nil
}

// LoadLatest implements [Store].
func (m *Memory) LoadLatest(ctx context.Context, id string) (*EnvelopeKeyRecord, error) {
	if err := begin(ctx, "load latest", id); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	created, ok := m.latest[id]
	if !ok {
		return nil, fmt.Errorf("metastore: load latest: %w", ErrNotFound)
	}
	return m.rows[id][created].Clone(), nil
}

// Store implements [Store].
func (m *Memory) Store(ctx context.Context, meta KeyMeta, record *EnvelopeKeyRecord) error {
	if err := begin(ctx, "store", meta.ID); err != nil {
		return err
	}
	if err := CheckRecord(meta, record); err != nil {
		return err
	}
	r := record.Clone()
	r.ID = meta.ID

	m.mu.Lock()
	defer m.mu.Unlock()
	byCreated := m.rows[meta.ID]
	if _, ok := byCreated[meta.Created]; ok {
		return fmt.Errorf("metastore: store: %w", ErrExists)
	}
	if byCreated == nil {
		byCreated = make(map[int64]*EnvelopeKeyRecord, 1)
		m.rows[meta.ID] = byCreated
		m.latest[meta.ID] = meta.Created
	}
	byCreated[meta.Created] = r
	m.latest[meta.ID] = max(m.latest[meta.ID], meta.Created)
	return nil
}

// begin is what every method checks first.
func begin(ctx context.Context, op, id string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("metastore: %s: %w", op, err)
	}
	return CheckID(id)
}
