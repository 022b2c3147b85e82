package enforce

import (
	"strings"
	"testing"
	"time"
)

func TestComment(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Comment
		want string
	}{
		{"full second", Comment{epoch, 3, 0x1d7e9a40}, "_exp_1700000000 fwknopd:3:1d7e9a40"},
		{"milliseconds", Comment{epoch.Add(376 * time.Millisecond), 3, 1}, "_exp_1700000001 fwknopd:3:00000001 -624ms"},
		{"microseconds do not count", Comment{epoch.Add(time.Microsecond), 3, 1}, "_exp_1700000000 fwknopd:3:00000001"},
		{"no end", Comment{Stanza: 3, Tag: 1}, "fwknopd:3:00000001"},
	} {
		if got := c.c.String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		back, ok := ParseComment(c.want)
		if !ok || !back.Expires.Equal(c.c.Expires.Truncate(time.Millisecond)) || back.Stanza != c.c.Stanza || back.Tag != c.c.Tag {
			t.Errorf("%s: read back %+v, %v", c.name, back, ok)
		}
	}
}

func TestParseComment(t *testing.T) {
	for _, c := range []struct {
		text string
		want Comment
		ok   bool
	}{
		{"_exp_1700000000", Comment{Expires: epoch}, true}, // the C daemon's
		{"  _exp_1700000000  more", Comment{Expires: epoch}, true},
		{"_exp_1700000000 -5000ms", Comment{Expires: epoch}, true}, // more than a second is not ours
		{"", Comment{}, false},
		{"ssh from home", Comment{}, false},
		{"_exp_", Comment{}, false},
		{"_exp_soon", Comment{}, false},
		{"_exp_0", Comment{}, false},
		{"_exp_-5", Comment{}, false},
		{"_exp_99999999999999", Comment{}, false},
		{"fwknopd:x:1", Comment{}, false},
		{"fwknopd:3", Comment{}, false},
		{"_exp_1700000000 fwknopd:3:123456789", Comment{}, false},
	} {
		got, ok := ParseComment(c.text)
		if ok != c.ok || ok && (!got.Expires.Equal(c.want.Expires) || got.Stanza != c.want.Stanza || got.Tag != c.want.Tag) {
			t.Errorf("ParseComment(%q) = %+v, %v, want %+v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

// FuzzParseComment: what is understood is written and read again the same.
func FuzzParseComment(f *testing.F) {
	for _, s := range []string{"_exp_1700000001 fwknopd:3:1d7e9a40 -624ms", "_exp_1", "fwknopd:0:00000000", "_exp_1 -999ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := ParseComment(s)
		if !ok {
			return
		}
		text := c.String()
		if strings.ContainsAny(text, "\n\"'\\") || len(text) > 64 {
			t.Fatalf("unfit text %q", text)
		}
		if back, ok := ParseComment(text); !ok || !back.Expires.Equal(c.Expires) || back.Stanza != c.Stanza || back.Tag != c.Tag {
			t.Fatalf("%q reads %+v, was %+v", text, back, c)
		}
	})
}
