package replay

import (
	"math/rand/v2"
	"testing"
)

// TestExpiryTable compares an expiryTable with a map. It takes no more room than there were
// ports at once.
func TestExpiryTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var e expiryTable
	model, most := make(map[portKey]int64), 0
	for range 300_000 {
		k := portKey{kind: onlyPort + rnd.Uint32N(2), number: uint16(rnd.IntN(4)), proto: 6}
		k.src[15], k.src[14] = byte(rnd.Uint32()), byte(rnd.IntN(8))
		at := rnd.Int64N(1000) - 100
		if rnd.IntN(2) == 0 {
			e.extend(k, at, 0)
			if end, ok := model[k]; !ok || end < at {
				model[k] = at
			}
			most = max(most, len(model))
			continue
		}
		end, ok := model[k]
		ok = ok && end <= at
		if got := e.removeExpired(k, at); got != ok {
			t.Fatalf("drop(%v, %d) = %v with %d", k, at, got, end)
		}
		if ok {
			delete(model, k)
		}
		if e.n != len(model) {
			t.Fatalf("%d, want %d", e.n, len(model))
		}
	}
	if int(e.ports.n) != most {
		t.Errorf("room for %d ports, want %d", e.ports.n, most)
	}
	if len(model) < 1000 {
		t.Fatalf("only %d left", len(model))
	}
	for k, end := range model {
		if e.removeExpired(k, end-1) || !e.removeExpired(k, end) {
			t.Fatalf("%v does not end at %d", k, end)
		}
	}
}
