package knock

// lru is a map of bounded size that evicts the least recently touched entry. Entries
// are reused, so that a full map allocates nothing for a new key.
//
// A pointer to a value is valid until the next add.
type lru[K comparable, V any] struct {
	max     int
	index   map[K]int32
	entries []entry[K, V] // entries[0] is the ring's anchor
	free    []int32
	evicted uint64
}

type entry[K comparable, V any] struct {
	key          K
	value        V
	newer, older int32
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	return &lru[K, V]{max: max, index: make(map[K]int32), entries: make([]entry[K, V], 1)}
}

func (l *lru[K, V]) len() int { return len(l.index) }

// find returns the value of k, nil if there is none.
func (l *lru[K, V]) find(k K) *V {
	i, ok := l.index[k]
	if !ok {
		return nil
	}
	return &l.entries[i].value
}

// add adds the new key k as the newest. The caller must set the value, which may be
// that of an evicted entry.
func (l *lru[K, V]) add(k K) *V {
	if len(l.index) >= l.max {
		l.evict()
	}
	var i int32
	if n := len(l.free); n > 0 {
		i, l.free = l.free[n-1], l.free[:n-1]
	} else {
		i = int32(len(l.entries))
		l.entries = append(l.entries, entry[K, V]{})
	}
	l.index[k] = i
	l.entries[i].key = k
	l.link(i)
	return &l.entries[i].value
}

// touch makes k the newest.
func (l *lru[K, V]) touch(k K) {
	if i, ok := l.index[k]; ok {
		l.unlink(i)
		l.link(i)
	}
}

// oldest returns the value that evict would remove, nil if there is none.
func (l *lru[K, V]) oldest() *V {
	if i := l.entries[0].newer; i != 0 {
		return &l.entries[i].value
	}
	return nil
}

// evict removes the oldest entry and counts it.
func (l *lru[K, V]) evict() {
	i := l.entries[0].newer
	if i == 0 {
		return
	}
	l.unlink(i)
	delete(l.index, l.entries[i].key)
	l.free = append(l.free, i)
	l.evicted++
}

// each calls visit for each entry, oldest first.
func (l *lru[K, V]) each(visit func(K, *V)) {
	for i := l.entries[0].newer; i != 0; i = l.entries[i].newer {
		visit(l.entries[i].key, &l.entries[i].value)
	}
}

// link inserts entry i as the newest, on the anchor's older side.
func (l *lru[K, V]) link(i int32) {
	last := l.entries[0].older
	l.entries[i].older, l.entries[i].newer = last, 0
	l.entries[last].newer = i
	l.entries[0].older = i
}

func (l *lru[K, V]) unlink(i int32) {
	p := &l.entries[i]
	l.entries[p.older].newer = p.newer
	l.entries[p.newer].older = p.older
}
