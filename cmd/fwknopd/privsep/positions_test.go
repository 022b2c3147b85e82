package privsep

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

var positionsNow = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// Positions that a worker reports are read back; anything else is no position.
func TestParsePositions(t *testing.T) {
	place := func(fields string) string {
		return `{"time":"2026-11-28T12:00:00Z","places":{"KNOCK /var/log/kern.log":{` + fields + `}}}`
	}
	at := func(stamp string) string { return `{"time":"` + stamp + `","places":{}}` }
	var many []string
	for i := range maxPlaces + 1 {
		many = append(many, fmt.Sprintf(`"%d":{}`, i))
	}
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"a place", place(`"inode":7,"dev":65024,"offset":99,"head":18446744073709551615,"head_n":512`), true},
		{"no place", place(""), true},
		{"no places", at("2026-11-28T12:00:00Z"), true},
		{"a minute old", at("2026-11-28T11:59:00Z"), true},
		{"a cursor", place(`"cursor":"s=0123;i=4;b=ab"`), true},
		{"a negative offset", place(`"inode":7,"offset":-5`), false},
		{"the least offset", place(`"inode":7,"offset":-9223372036854775808`), false},
		{"a huge offset", place(`"inode":7,"offset":9223372036854775807`), true}, // no file is that long: see ingest
		{"an offset that is no number", place(`"inode":7,"offset":"5"`), false},
		{"an offset with a fraction", place(`"inode":7,"offset":5.5`), false},
		{"an offset over 64 bits", place(`"inode":7,"offset":9223372036854775808`), false},
		{"a negative inode", place(`"inode":-7`), false},
		{"a negative head", place(`"inode":7,"head_n":-1`), false},
		{"a long head", place(`"inode":7,"head_n":513`), false},
		{"a huge head", place(`"inode":7,"head_n":9223372036854775807`), false},
		{"a cursor of two lines", place(`"cursor":"s=1\n2"`), false},
		{"a cursor with a zero", place(`"cursor":"s=1\u0000"`), false},
		{"a long cursor", place(`"cursor":"` + strings.Repeat("x", 2000) + `"`), false},
		{"an unknown field", place(`"inode":7,"path":"/etc/shadow"`), false},
		{"places that are a list", `{"time":"2026-11-28T12:00:00Z","places":[]}`, false},
		{"two objects", at("2026-11-28T12:00:00Z") + "{}", false},
		{"too many places", `{"time":"2026-11-28T12:00:00Z","places":{` + strings.Join(many, ",") + "}}", false},
		{"too long", place(`"cursor":"` + strings.Repeat(" ", maxPositions) + `"`), false},
		{"an hour old", at("2026-11-28T11:00:00Z"), false},
		{"an hour ahead", at("2026-11-28T13:00:00Z"), false},
		{"the year 1", at("0001-01-01T00:00:00Z"), false},
		{"the year 9999", at("9999-12-31T23:59:59Z"), false},
		{"the year 10000", at("10000-01-01T00:00:00Z"), false},
		{"a time that is a number", `{"time":5,"places":{}}`, false},
		{"no time", `{"places":{}}`, false},
		{"null", "null", false},
		{"junk", "junk", false},
		{"nothing", "", false},
	} {
		p, err := ParsePositions([]byte(c.text), positionsNow)
		if (err == nil) != c.want {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
		if err != nil && len(p.Places) > 0 {
			t.Errorf("%s: places in spite of %v", c.name, err)
		}
	}
}

// What is accepted has only valid places, and is read back the same.
func FuzzParsePositions(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-28T12:00:00Z","places":{"KNOCK /k":{"inode":7,"dev":2,"offset":-5}}}`))
	f.Add([]byte(`{"time":"2026-11-28T12:01:00Z","places":{"KNOCK /k":{"inode":7,"offset":4611686018427387904,"head":3,"head_n":512}}}`))
	f.Add([]byte(`{"time":"2026-11-28T12:01:00+01:00","places":{"JOURNAL":{"cursor":"s=1;i=2"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePositions(text, positionsNow)
		if err != nil {
			return
		}
		for name, s := range p.Places {
			if s.Offset < 0 || s.HeadN < 0 || s.HeadN > 512 || strings.ContainsAny(s.Cursor, "\n\x00") {
				t.Fatalf("%q: %+v", name, s)
			}
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxPositions { // escapes made it longer
			return
		}
		q, err := ParsePositions(again, positionsNow)
		if err != nil || !maps.Equal(q.Places, p.Places) || !q.Time.Equal(p.Time) {
			t.Fatalf("%s: %+v, %v", again, q, err)
		}
	})
}
