package enforce

import (
	"errors"
	"testing"
	"time"
)

func TestQuota(t *testing.T) {
	var q Quota
	now := time.Unix(1700000000, 0)
	for _, c := range []struct {
		name  string
		after time.Duration
		o     Opening
		want  error
	}{
		{"all at once", 0, Opening{Stanza: 1, Limit: 16, New: 16}, nil},
		{"one more", 0, Opening{Stanza: 1, Limit: 16, New: 1, OfStanza: 16}, ErrTooMany},
		{"an extension", 0, Opening{Stanza: 1, Limit: 16, OfStanza: 16, All: maxOpen}, nil},
		{"others", 0, Opening{Stanza: 2, Limit: 16, New: 1, All: 16}, nil},
		{"others, no limit", 0, Opening{Stanza: 3, New: 1000, OfStanza: 5000, All: 5016}, nil},
		{"room, but no rate", 0, Opening{Stanza: 1, Limit: 16, New: 1, OfStanza: 2}, ErrTooMany},
		{"a second later", time.Second, Opening{Stanza: 1, Limit: 16, New: 1, OfStanza: 2}, nil},
		{"two within it", 0, Opening{Stanza: 1, Limit: 16, New: 1, OfStanza: 2}, ErrTooMany},
		{"a grant of more ports than are left", time.Minute, Opening{Stanza: 1, Limit: 16, New: 3, OfStanza: 14}, ErrTooMany},
		{"another limit after a reload", 0, Opening{Stanza: 1, Limit: 17, New: 3, OfStanza: 14}, nil},
		{"full", 0, Opening{Stanza: 3, New: 1, All: maxOpen}, errFull},
	} {
		now = now.Add(c.after)
		if err := q.Take(c.o, now); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
