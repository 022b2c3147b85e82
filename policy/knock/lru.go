package knock

// lru is a map of bounded size that forgets the entry touched longest ago. Its
// places are reused, so that a full table costs no allocation per new key.
//
// A pointer to a value is good until the next add.
type lru[K comparable, V any] struct {
	max     int
	index   map[K]int32
	place   []place[K, V] // place[0] is the ring's anchor
	free    []int32
	evicted uint64
}

type place[K comparable, V any] struct {
	key          K
	value        V
	newer, older int32
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	return &lru[K, V]{max: max, index: make(map[K]int32), place: make([]place[K, V], 1)}
}

func (l *lru[K, V]) len() int { return len(l.index) }

// find returns the value of k, nil if there is none.
func (l *lru[K, V]) find(k K) *V {
	i, ok := l.index[k]
	if !ok {
		return nil
	}
	return &l.place[i].value
}

// add makes room for a new key k, which becomes the newest. The value may be that
// of an entry that was forgotten; the caller sets it.
func (l *lru[K, V]) add(k K) *V {
	if len(l.index) >= l.max {
		l.evict()
	}
	var i int32
	if n := len(l.free); n > 0 {
		i, l.free = l.free[n-1], l.free[:n-1]
	} else {
		i = int32(len(l.place))
		l.place = append(l.place, place[K, V]{})
	}
	l.index[k] = i
	l.place[i].key = k
	l.link(i)
	return &l.place[i].value
}

// touch makes k the newest.
func (l *lru[K, V]) touch(k K) {
	if i, ok := l.index[k]; ok {
		l.unlink(i)
		l.link(i)
	}
}

// oldest returns the entry that evict would forget, nil if there is none.
func (l *lru[K, V]) oldest() *V {
	if i := l.place[0].newer; i != 0 {
		return &l.place[i].value
	}
	return nil
}

// evict forgets the oldest entry and counts it.
func (l *lru[K, V]) evict() {
	i := l.place[0].newer
	if i == 0 {
		return
	}
	l.unlink(i)
	delete(l.index, l.place[i].key)
	l.free = append(l.free, i)
	l.evicted++
}

// each visits the entries, oldest first.
func (l *lru[K, V]) each(visit func(K, *V)) {
	for i := l.place[0].newer; i != 0; i = l.place[i].newer {
		visit(l.place[i].key, &l.place[i].value)
	}
}

// link puts place i at the newest end: the anchor's older side.
func (l *lru[K, V]) link(i int32) {
	last := l.place[0].older
	l.place[i].older, l.place[i].newer = last, 0
	l.place[last].newer = i
	l.place[0].older = i
}

func (l *lru[K, V]) unlink(i int32) {
	p := &l.place[i]
	l.place[p.older].newer = p.newer
	l.place[p.newer].older = p.older
}
