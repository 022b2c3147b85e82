package stats

import "slices"

// A top keeps the first n of many values, in order; of equal ones those that came first.
type top[T any] struct {
	n, total int
	compare  func(a, b T) int
	values   []T
}

func newTop[T any](n int, compare func(a, b T) int) *top[T] {
	return &top[T]{n: n, compare: compare}
}

// spare is how many values more than asked for are kept before they are sorted.
const spare = 1024

func (t *top[T]) add(v T) {
	t.total++
	if t.values = append(t.values, v); len(t.values) >= t.n+spare {
		t.cut()
	}
}

func (t *top[T]) cut() {
	slices.SortStableFunc(t.values, t.compare)
	t.values = slices.Delete(t.values, min(t.n, len(t.values)), len(t.values))
}

// list returns the values.
func (t *top[T]) list() List[T] {
	t.cut()
	return List[T]{Total: t.total, Shown: slices.Clip(append([]T{}, t.values...))}
}
