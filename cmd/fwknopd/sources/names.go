package sources

// names translate the numbers of one table, for results and tunnels, to those of another.
type names struct {
	resultOf func(int32) int32
	tunnelOf func(uint16) uint16

	matched, unmatched []int32 // those known, by result and by ^result
	inner              *names  // to be applied first; nil: none
}

func (n *names) result(r int32) int32 {
	if n.inner != nil {
		r = n.inner.result(r)
	}
	if r == omittedResult {
		return r
	}
	known, i := &n.matched, r
	if r < 0 {
		known, i = &n.unmatched, ^r
	}
	for len(*known) <= int(i) {
		*known = append(*known, unknownName)
	}
	if (*known)[i] == unknownName {
		(*known)[i] = n.resultOf(r)
	}
	return (*known)[i]
}

// unknownName stands for a result that was not translated yet.
const unknownName = noResult

func (n *names) tunnel(i uint16) uint16 {
	if n.inner != nil {
		i = n.inner.tunnel(i)
	}
	return n.tunnelOf(i)
}
