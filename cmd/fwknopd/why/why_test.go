package why

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBackwards(t *testing.T) {
	long := strings.Repeat("x", block)
	for _, lines := range [][]string{nil, {"a"}, {"a", "b", "c"}, {long, "b"}, {"a", long}, {long[:block-1], "b"}, {long[:block-2], long, long[:7]}} {
		text := strings.Join(append(slices.Clone(lines), "torn"), "\n")
		var got []string
		err := backwards(bytes.NewReader([]byte(text)), int64(len(text)), func(line []byte) bool {
			got = append(got, string(line))
			return true
		})
		slices.Reverse(got)
		if err != nil || !slices.Equal(got, lines) {
			t.Errorf("%d lines: got %d (%v)", len(lines), len(got), err)
		}
	}
}

func TestShow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	write := func(path string, lines ...string) {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	event := func(n int, src string) string {
		return fmt.Sprintf(`{"v":1,"timestamp":"T%d","event_type":"decision","verdict":"refused","reason":"spa.stale","detail":{"age_s":600,"max_age_s":120},"src_ip":%q,"stanza":3,"stanza_name":"a","user":"\u001b[2J"}`, n, src)
	}
	write(path+".1", event(1, "192.0.2.7"), event(2, "192.0.2.8"))
	write(path, event(3, "192.0.2.7"), `{"broken`, event(4, "192.0.2.9"),
		`{"v":1,"timestamp":"T5","event_type":"grant","verdict":"granted","grant":{"src":"192.0.2.7","ports":["tcp/22"],"expires":"T6"}}`)
	var out strings.Builder
	if err := show(path, netip.MustParseAddr("192.0.2.7"), 5, false, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"T1 refused spa.stale stanza 3 (a) user ", ": 600 s old, limit 120 s\n    remedy: synchronise the client's clock", "T5 granted: 192.0.2.7 tcp/22 until T6\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Index(out.String(), "T1") > strings.Index(out.String(), "T5") {
		t.Errorf("raw characters, or not the oldest first:\n%q", out.String())
	}
	out.Reset()
	if err := show(path, netip.MustParseAddr("192.0.2.7"), 1, true, &out); err != nil || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"T5"`) {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := show(path, netip.MustParseAddr("192.0.2.1"), 5, false, &out); err == nil || !strings.Contains(err.Error(), "has nothing of 192.0.2.1") {
		t.Errorf("a client that is not there: %v", err)
	}
	if err := show("", netip.MustParseAddr("192.0.2.1"), 5, false, &out); err == nil || !strings.Contains(err.Error(), "no events are kept") {
		t.Errorf("no event log: %v", err)
	}
}
