package replay

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/config"
)

// TestMigratedDecidesEqual: migrated files decide every packet as the old ones do.
func TestMigratedDecidesEqual(t *testing.T) {
	t.Chdir(replayDir)
	for name, tt := range map[string]struct{ conf, inputs []string }{
		"2.6":       {[]string{"-c", "fwknopd.conf", "-a", "access.conf"}, captures},
		"knocks":    {knockConf, []string{"knock.log"}},
		"mixed":     {[]string{"-c", "fwknop.conf", "-a", "mixed.conf"}, args([]string{"knock.log"}, captures)},
		"mixed 2.6": {[]string{"-c", "fwknopd.conf", "-a", "mixed.conf"}, captures},
		"no server": {[]string{"-c", "/dev/null", "-a", "access3.conf"}, captures},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		var out bytes.Buffer
		if code := config.Migrate(args(tt.conf, []string{dir}), &out, &out); code != 0 {
			t.Errorf("%s: exit %d\n%s", name, code, &out)
			continue
		}
		old := decisionsOf(t, args(tt.conf, []string{"--all-modes"}, tt.inputs))
		got := decisionsOf(t, args([]string{"--all-modes", "-c", filepath.Join(dir, "fwknopd.conf"), "-a", filepath.Join(dir, "access.conf")}, tt.inputs))
		if len(old) == 0 || !reflect.DeepEqual(old, got) {
			t.Errorf("%s: decided\n%v\nwith the old files\n%v", name, got, old)
		}
	}
}

// decisionsOf returns the events of a replay without the lines of their stanzas.
func decisionsOf(t *testing.T, args []string) (events []map[string]any) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := Replay(append([]string{"--format", "jsonl"}, args...), nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	for line := range strings.Lines(stdout.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e["event_type"] == "decision" {
			delete(e, "stanza")
			events = append(events, e)
		}
	}
	return events
}
