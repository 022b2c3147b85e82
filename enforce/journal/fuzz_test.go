package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fwknopd/enforce"
)

// external is a journal of commands.
var external = Rules{
	Holds: func(g enforce.Grant) bool { return g.External != nil },
	Lasts: func(g enforce.Grant) bool { return len(g.External.Close) > 0 },
	Lost:  "a command may be lost",
}

// FuzzJournal: what is pending in any file is an external grant under its own key, stays
// pending through a compaction, and every other line but blank ones is reported.
func FuzzJournal(f *testing.F) {
	open := `{"open":{"Src":"192.0.2.7","Stanza":3,"External":{"Open":["/bin/a"],"Close":["/bin/b"],"Timeout":5},"Expires":"2026-01-01T00:00:00Z"}}` + "\n"
	for _, text := range []string{"", open, open + open, open[:80], open + "\n" + open[:80] + "\n", `{"closed":"x"}` + "\n", "null\n", "{}\n[]\n\x00\n"} {
		f.Add([]byte(text))
	}
	j := &Journal{path: "j", rules: external}
	f.Fuzz(func(t *testing.T, text []byte) {
		pending, notes := j.replay(text)
		if len(pending)+len(notes) > strings.Count(string(text), "\n") {
			t.Fatalf("%d pending and %d notes of %q", len(pending), len(notes), text)
		}
		var compacted []byte
		for key, g := range pending {
			if g.External == nil || g.Key() != key {
				t.Fatalf("pending %q: %+v", key, g)
			}
			line, err := json.Marshal(Record{Open: &g})
			if err != nil {
				t.Fatalf("%+v cannot be written again: %v", g, err)
			}
			compacted = append(append(compacted, line...), '\n')
		}
		if again, notes := j.replay(compacted); len(notes) > 0 || len(again) != len(pending) {
			t.Fatalf("%q became %q: %q", text, compacted, notes)
		} else {
			for key, g := range pending {
				if !reflect.DeepEqual(again[key].External, g.External) {
					t.Fatalf("%q became %q", text, compacted)
				}
			}
		}
	})
}

// A journal of any content is opened and compacted without an error.
func TestHostileJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	line := `{"open":{"Src":"192.0.2.7","Stanza":3,"External":{"Close":["/bin/b"]},"Expires":"9999-12-31T23:59:59Z"}}` + "\n"
	for _, text := range []string{line + "\x00\xff\n" + line[:40], strings.Repeat("{", 100000) + "\n" + line, strings.ReplaceAll(line, "9999", "10000") + line} {
		write(t, path, text)
		j, pending, notes, err := Open(path, external)
		if err != nil || len(pending) != 1 || len(notes) != 1 {
			t.Errorf("%.40q: %v, %d pending, %q", text, err, len(pending), notes)
		}
		j.Close()
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
