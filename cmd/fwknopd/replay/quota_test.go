package replay

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// quotaConf is the configuration of the benchmarks with MAX_GRANTS 2.
func quotaConf(t *testing.T) []string {
	t.Helper()
	conf := benchConf(t)
	text, err := os.ReadFile(conf[3])
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("MAX_GRANTS 65536"), []byte("MAX_GRANTS 2"), 1)
	if err := os.WriteFile(conf[3], text, 0o600); err != nil {
		t.Fatal(err)
	}
	return conf
}

const (
	tooMany     = "refused what the worker asked for: 100.64.0.2 tcp/22: refused: too many grants: stanza 1 has 2 of 2 (MAX_GRANTS)"
	tooManyJSON = `"verdict":"refused","error":"refused: too many grants: stanza 1 has 2 of 2 (MAX_GRANTS)","stanza":1`
)

// What the monitor would not open for MAX_GRANTS is shown as the daemon tells it, and is
// not open.
func TestReplayMaxGrants(t *testing.T) {
	frames := traffic(t, 3, 0)
	for format, want := range map[string]string{"text": tooMany, "jsonl": tooManyJSON} {
		args := append(quotaConf(t), "--format", format, "--fail-on", "refused", writeCapture(t, frames))
		var out, say bytes.Buffer
		if code := Replay(args, nil, &out, &say); code != exitFailOn {
			t.Errorf("exit code %d", code)
		}
		if n := strings.Count(out.String(), "spa.granted"); n != 3 || strings.Count(out.String(), want) != 1 {
			t.Errorf("%d granted:\n%s", n, out.String())
		}
		if !strings.Contains(say.String(), "3 granted + 0 refused + 0 commands; 1 of those granted not opened; 0 expired, 2 still open") {
			t.Errorf("summary: %s", say.String())
		}
	}
}

// explain says so too, of the record after which there is no more room.
func TestExplainMaxGrants(t *testing.T) {
	capture := writeCapture(t, traffic(t, 3, 0))
	for _, c := range []struct {
		record, format, want string
		code                 int
	}{
		{"2", "text", "", exitOK},
		{"3", "text", tooMany, exitRefused},
		{"3", "jsonl", tooManyJSON, exitRefused},
	} {
		var out bytes.Buffer
		args := append(quotaConf(t), "--format", c.format, "--record", c.record, capture)
		if code := Explain(args, nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "MAX_GRANTS") != (c.want != "") {
			t.Errorf("record %s: %d\n%s", c.record, code, out.String())
		}
	}
}
