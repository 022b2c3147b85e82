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
	for _, want := range []string{"T1 refused spa.stale stanza a (line 3) user ", ": 600 s old, limit 120 s\n    remedy: synchronise the client's clock", "T5 granted: 192.0.2.7 tcp/22 until T6\n"} {
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

// What is left out or still dropped is said.
func TestShowWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	for _, c := range []struct{ name, log, want string }{
		{"refusals of unknown clients", `{"v":1,"timestamp":"T1","event_type":"suppressed","verdict":"refused","count":900,"reasons":{"spa.hmac_mismatch":900},"sources":2}`,
			"has nothing of 192.0.2.7, but 900 events left out, which may be of it"},
		{"lost events", `{"v":1,"timestamp":"T1","event_type":"monitor","verdict":"lost","count":3}`, "but 3 events left out"},
		{"refusals of the client", `{"v":1,"timestamp":"T1","event_type":"suppressed","verdict":"refused","src_ip":"192.0.2.7","count":900,"reasons":{"spa.hmac_mismatch":900},"sources":1}`,
			"T1 refused spa.hmac_mismatch 900, not told one by one\n    remedy: client and server need the same HMAC_KEY"},
		{"a grant without an end", `{"v":1,"timestamp":"T1","event_type":"grant","verdict":"granted","src_ip":"192.0.2.7","grant":{"src":"192.0.2.7","ports":["tcp/22"]}}`,
			"T1 granted: 192.0.2.7 tcp/22, no end\n"},
		{"a chain that still drops", `{"v":1,"timestamp":"T1","event_type":"grant","verdict":"blocked","src_ip":"192.0.2.7","grant":{"src":"192.0.2.7","ports":["tcp/22"],"expires":"T2"},"blocked_by":["table inet own chain in"]}`,
			"T1 blocked: 192.0.2.7 tcp/22 until T2, still dropped by table inet own chain in\n    remedy: let that chain accept it too: fwknopd doctor\n"},
	} {
		if err := os.WriteFile(path, []byte(c.log+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := show(path, netip.MustParseAddr("192.0.2.7"), 5, false, &out); err != nil {
			fmt.Fprint(&out, err)
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: no %q in:\n%s", c.name, c.want, out.String())
		}
	}
}
