package driver

import (
	"context"
	"fmt"
)

type partitionKey struct{}

// WithPartition returns a context in which id is the partition (tenant) in force. Values of columns tagged
// `encrypt:"partition"` are sealed under its key; rows of other partitions are errors on read
// (ErrPartitionMismatch), and a value that a statement would seal for another partition is refused the same
// way. Statements that seal nothing (DELETE, an UPDATE of other columns or to NULL) are not confined to it.
// An empty id is ErrNoPartition at the statement that needs one; it doesn't fall back to the connection's.
func WithPartition(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, partitionKey{}, id)
}

// inForce is the partition that a statement's context and connection say.
type inForce struct {
	id     string
	pinned bool // said by WithPartition: rows of other partitions are errors
	ok     bool
}

func (c *core) inForce(ctx context.Context) inForce {
	if id, ok := ctx.Value(partitionKey{}).(string); ok {
		return inForce{id: id, pinned: true, ok: id != ""}
	}
	return inForce{id: c.cfg.Partition, ok: c.cfg.Partition != ""}
}

// require returns the partition in force.
func (p inForce) require() (string, error) {
	if !p.ok {
		return "", fmt.Errorf("%w: set asherah_partition or use driver.WithPartition", ErrNoPartition)
	}
	return p.id, nil
}

// allow checks that a row's own partition is the one that WithPartition pinned, if it did.
func (p inForce) allow(id string) error {
	if p.pinned && p.id != id {
		return errNotPinned
	}
	return nil
}

var errNotPinned = fmt.Errorf("%w than the one that driver.WithPartition set", ErrPartitionMismatch)
