package sources

// A store keeps records in files for a table.
type store struct {
	create func() (File, error)
	runs   []*run // those with earlier records first
	sorted []*run // by order of first appearance, one record a source; after combine
	err    error  // the first
}

// A mark says which order the source at a place has; those after it follow.
type mark struct {
	place int
	order uint64
}

// sourceSize is about how many bytes a source takes in memory: itself, its slots of the index, and
// its entry while they are sorted.
const sourceSize = 64 + 3*8 + 16

// maxRuns is how many runs of a level are merged into one of the next, which bounds how many files
// are open.
const maxRuns = 64

// holds reports whether records are in files.
func (s *store) holds() bool { return s != nil && len(s.runs) > 0 }

// order returns the order of source number i among all sources, also those in files.
func (t *table) order(i int) uint64 {
	m := &t.marks[len(t.marks)-1]
	for k := len(t.marks) - 1; m.place > i; k-- {
		m = &t.marks[k-1]
	}
	return m.order + uint64(i-m.place)
}

// skip leaves out n numbers of the order.
func (t *table) skip(n uint64) {
	next := mark{t.n, t.order(t.n) + n}
	if last := &t.marks[len(t.marks)-1]; last.place == t.n {
		*last = next
		return
	}
	t.marks = append(t.marks, next)
}

// room makes room for n more sources, if there is a store.
func (t *table) room(n int) {
	if t.store == nil || t.store.err != nil {
		return
	}
	if t.n+n > t.limit || t.overflowResults > inlineResults*t.limit {
		t.spill()
	}
}

// spill writes all sources into a run.
func (t *table) spill() {
	if t.n == 0 || t.store.err != nil {
		return
	}
	var r record
	written, err := writeSorted(t.store.create, t.n,
		func(i int) uint64 { return hash(&t.at(i).key, 0) },
		func(b []byte, i int) []byte {
			t.record(i, &r)
			return r.appendTo(b)
		})
	if err != nil {
		t.store.err = err
		return
	}
	t.store.runs = t.store.compact(append(t.store.runs, written), eachSource)
	t.marks = append(t.marks[:0], mark{0, t.order(t.n)})
	t.empty()
}

// empty removes all sources.
func (t *table) empty() {
	if t.ports != nil {
		clear(t.ports.votes[:min(t.n, MaxWithPorts)])
	}
	clear(t.index)
	t.n, t.overflows, t.overflowResults, t.decided = 0, nil, 0, t.decided[:0]
}

// adopt takes the sources of u, some of which are in files, after those of t.
func (t *table) adopt(u *table, rename func(int32) int32) {
	u.spill()
	if t.store.err == nil {
		t.store.err = u.store.err
	}
	base, shared := t.order(t.n), t.namesFrom(u, rename)
	for _, r := range u.store.runs {
		r.base += base
		if r.names == nil {
			r.names = shared
		} else {
			inner := r.names
			r.names = t.namesFrom(u, rename)
			r.names.inner = inner
		}
		t.store.runs = append(t.store.runs, r)
	}
	t.skip(u.order(u.n))
	u.store.runs = nil
	t.store.runs = t.store.compact(t.store.runs, eachSource)
}

// A reader calls f with the records of runs in an order of its own.
type reader func(runs []*run, f func(*record) error) error

// compact merges the last runs into one if there are many of a level and those below it, so that
// few are left.
func (s *store) compact(runs []*run, read reader) []*run {
	for level := 0; s.err == nil; level++ {
		first := len(runs)
		for first > 0 && runs[first-1].level <= level {
			first--
		}
		if len(runs)-first < maxRuns {
			if first == 0 {
				break
			}
			continue
		}
		var merged *run
		if merged, s.err = s.merge(runs[first:], level+1, read); s.err == nil {
			runs = append(runs[:first], merged)
		}
	}
	return runs
}

// merge merges runs into one and closes them.
func (s *store) merge(runs []*run, level int, read reader) (*run, error) {
	w, err := newRunWriter(s.create, level)
	if err != nil {
		return nil, err
	}
	var encoded []byte
	err = read(runs, func(r *record) error {
		encoded = r.appendTo(encoded[:0])
		return w.write(encoded)
	})
	closeAll(runs)
	return w.done(err)
}

// closeAll closes the files of runs.
func closeAll(runs []*run) []*run {
	for _, r := range runs {
		r.file.Close()
	}
	return nil
}

// A pile collects records that are to be sorted by order of first appearance.
type pile struct {
	store   *store
	size    int // bytes of a run in memory
	encoded []byte
	ends    []int // in encoded
	orders  []uint64
}

func (p *pile) add(r *record) error {
	p.encoded = r.appendTo(p.encoded)
	p.ends = append(p.ends, len(p.encoded))
	p.orders = append(p.orders, r.order)
	const index = 8 + 8 + 16 // bytes for ends, orders, and sorting
	if len(p.encoded)+index*len(p.ends) < p.size {
		return nil
	}
	return p.write()
}

// write writes the pile as a run.
func (p *pile) write() error {
	if len(p.ends) == 0 {
		return nil
	}
	written, err := writeSorted(p.store.create, len(p.ends),
		func(i int) uint64 { return p.orders[i] },
		func(b []byte, i int) []byte {
			begin := 0
			if i > 0 {
				begin = p.ends[i-1]
			}
			return append(b, p.encoded[begin:p.ends[i]]...)
		})
	if err != nil {
		return err
	}
	p.store.sorted = p.store.compact(append(p.store.sorted, written), inOrder)
	p.encoded, p.ends, p.orders = p.encoded[:0], p.ends[:0], p.orders[:0]
	return p.store.err
}

// finish counts the sources, and puts them in order if some are in files. Nothing can be added then.
func (t *table) finish() error {
	if t.finished {
		return t.failure()
	}
	t.finished = true
	t.flush()
	if !t.store.holds() {
		for i := range t.n {
			t.sums.add(t.at(i).tunnel, t.at(i).syns, t.omitted(t.at(i)))
		}
		return t.failure()
	}
	t.spill()
	t.chunks, t.index = nil, nil
	if t.store.err != nil {
		return t.store.err
	}
	p := pile{store: t.store, size: t.limit * sourceSize}
	err := eachSource(t.store.runs, func(r *record) error {
		t.sums.add(r.tunnel, r.syns, r.omitted)
		return p.add(r)
	})
	if err == nil {
		err = p.write()
	}
	t.store.err = err
	t.store.runs = closeAll(t.store.runs)
	return err
}

// failure returns why records could not be written or read.
func (t *table) failure() error {
	if t.store == nil {
		return nil
	}
	return t.store.err
}

// sums are those of all sources.
type sums struct {
	sources int
	omitted uint64 // results left out
	further uint64 // SYNs in furtherPath
}

func (s *sums) add(tunnel uint16, syns, omitted uint32) {
	s.sources++
	s.omitted += uint64(omitted)
	if tunnel == furtherPath {
		s.further += uint64(syns)
	}
}
