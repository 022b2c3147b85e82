package privsep

import (
	"strings"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	b := NewBudget(2, 3)
	at := time.Unix(1_800_000_000, 0)
	for i := range 3 {
		if got := b.Take(at, 1); got != 0 {
			t.Fatalf("take %d of the burst: %d", i, got)
		}
	}
	for range 5 {
		if got := b.Take(at, 1); got != -1 {
			t.Fatalf("take beyond the burst: %d", got)
		}
	}
	if got := b.Take(at.Add(time.Second), 1); got != 5 {
		t.Errorf("after a second: %d refused, want 5", got)
	}
}

func TestSanitize(t *testing.T) {
	if got := Sanitize("a\x1b[31m\nb\u0085\tc"); got != "a?[31m?b?\tc" {
		t.Errorf("clean: %q", got)
	}
	if got := Sanitize(strings.Repeat("x", 10*MaxMessage)); len(got) > MaxMessage+8 {
		t.Errorf("clean leaves %d bytes", len(got))
	}
}
