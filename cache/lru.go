package cache

// lru keeps its entries in a ring, the one used last first.
type lru[K comparable, V any] struct {
	capacity int
	n        int
	root     entry[K, V] // root.next is the newest, root.prev the oldest
}

func newLRU[K comparable, V any](capacity int) *lru[K, V] {
	l := &lru[K, V]{capacity: capacity}
	l.clear()
	return l
}

func (l *lru[K, V]) add(e *entry[K, V]) *entry[K, V] {
	var victim *entry[K, V]
	if l.n == l.capacity {
		victim = l.root.prev
		l.remove(victim)
	}
	l.pushFront(e)
	l.n++
	return victim
}

func (l *lru[K, V]) hit(e *entry[K, V]) {
	if l.root.next == e {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	l.pushFront(e)
}

func (l *lru[K, V]) remove(e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	l.n--
}

func (l *lru[K, V]) clear() {
	l.n = 0
	l.root.prev, l.root.next = &l.root, &l.root
}

func (l *lru[K, V]) pushFront(e *entry[K, V]) {
	e.prev, e.next = &l.root, l.root.next
	e.prev.next, e.next.prev = e, e
}
