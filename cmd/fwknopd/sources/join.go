package sources

// eachSource calls f with the records of all runs, those of one source joined, by address.
func eachSource(runs []*run, f func(*record) error) error {
	m, err := newMerger(runs, bySource)
	if err != nil {
		return err
	}
	var j joiner
	for r := m.record(); r != nil; r = m.record() {
		key := m.heap[0].key
		if other := m.second(); other == nil || other.key != key {
			// The source has this record alone, as nearly all have.
			if err := f(r); err != nil {
				return err
			}
			if err := m.next(); err != nil {
				return err
			}
			continue
		}
		j.reset()
		for len(m.heap) > 0 && m.heap[0].key == key {
			j.add(m.record())
			if err := m.next(); err != nil {
				return err
			}
		}
		if err := j.each(f); err != nil {
			return err
		}
	}
	return nil
}

// inOrder calls f with the records of all runs in order of first appearance.
func inOrder(runs []*run, f func(*record) error) error {
	m, err := newMerger(runs, byOrder)
	if err != nil {
		return err
	}
	for r := m.record(); r != nil; r = m.record() {
		if err := f(r); err != nil {
			return err
		}
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

// A joiner joins records of a source. It holds those of few sources.
type joiner struct {
	t      *table
	orders []uint64
	record record
}

func (j *joiner) reset() {
	const slots = 16
	if j.t == nil || len(j.t.index) > slots {
		j.t = newTable()
		j.t.index = newIndex(slots)
		j.t.ports = &portTable{}
	}
	j.t.empty()
	j.orders = j.orders[:0]
}

// add adds a record; of one source the earlier ones come first.
func (j *joiner) add(r *record) {
	if j.t.take(r); j.t.n > len(j.orders) {
		j.orders = append(j.orders, r.order)
	}
}

// each calls f with a record for each source.
func (j *joiner) each(f func(*record) error) error {
	for i := range j.t.n {
		j.t.record(i, &j.record)
		j.record.order = j.orders[i]
		if err := f(&j.record); err != nil {
			return err
		}
	}
	return nil
}
