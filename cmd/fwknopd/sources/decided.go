package sources

// A decided counts what was decided about a source.
type decided struct{ granted, refused uint32 }

// decide adds d to source number i.
func (t *table) decide(i int, d decided) {
	for len(t.decided) <= i {
		t.decided = append(t.decided, decided{})
	}
	t.decided[i].granted += d.granted
	t.decided[i].refused += d.refused
}

// decisionsOf returns what was decided about source number i.
func (t *table) decisionsOf(i int) decided {
	if i >= len(t.decided) {
		return decided{}
	}
	return t.decided[i]
}
