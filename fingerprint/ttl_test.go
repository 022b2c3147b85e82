package fingerprint

import (
	"slices"
	"strings"
	"testing"
)

// Of signatures that differ in the TTL alone the nearest one above fits, whatever the
// limit, and of guesses whatever the label; of those that differ in more, each.
func TestNearestTTLWins(t *testing.T) {
	for _, tc := range []struct {
		patterns string
		ttl      uint8
		want     string
	}{
		{"*:60:1:44:M* *:64:1:44:M*", 61, "64"},
		{"*:60:1:44:M* *:64:1:44:M*", 60, "60"},
		{"*:60:1:44:M* *:64:1:44:M*", 30, "60"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 37, "37"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 38, "59"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 60, "255"},
		{"*:60:1:44:M* 1:64:1:44:M*", 50, "60 64"},
		{"*:60:1:44:M* *:64:*:44:M*", 50, "60 64"},
	} {
		ev := newSYN(1, tc.ttl, true, unhex(t, mss1460))
		var got []string
		for _, sig := range matcherFor(t, tc.patterns, 256).Match(ev, nil) {
			got = append(got, strings.Split(sig.Text, ":")[1])
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s at TTL %d: %s fit, want %s", tc.patterns, tc.ttl, s, tc.want)
		}
	}
}

func TestNearestTTLWinsByLabel(t *testing.T) {
	set, err := Load("f", []byte("*:60:1:44:M*: a\n*:64:1:44:M*: b\n*:60:1:44:M*: @c\n*:64:1:44:M*: @d\n"))
	if err != nil {
		t.Fatal(err)
	}
	ev := newSYN(1, 60, true, unhex(t, mss1460))
	if got := labels(NewMatcher(set, DefaultMaxHops).Match(ev, nil)); !slices.Equal(got, []string{"a", "b", "@c"}) {
		t.Errorf("got %q", got)
	}
}

// TTLs share a class only if no signature can tell them apart.
func TestTTLClasses(t *testing.T) {
	set := Default().With(matcherFor(t, "*:1:*:*:. *:255:*:*:.", 1).set)
	for _, maxHops := range []int{-1, 0, 1, 2, DefaultMaxHops, 64, 255, 256, 1000} {
		classes := newTTLClasses(set, maxHops)
		for ttl := 1; ttl < 256; ttl++ {
			for i := range set.sigs {
				p := &set.sigs[i].pattern
				if classes[ttl] == classes[ttl-1] && p.fitsTTL(uint8(ttl), maxHops) != p.fitsTTL(uint8(ttl-1), maxHops) {
					t.Fatalf("up to %d hops: TTL %d and %d differ for %s", maxHops, ttl-1, ttl, set.sigs[i].Text)
				}
			}
		}
	}
	if c := newTTLClasses(Default(), DefaultMaxHops); c[255] > 32 {
		t.Errorf("%d classes of few initial TTLs", c[255])
	}
}
