package replay

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestJournalctlModes replays the same three knocks in the output of journalctl: in its
// output modes, in other languages, in colour, in UTF-16, filtered by grep and jq.
func TestJournalctlModes(t *testing.T) {
	const dir = "../../../fixtures/cases/log/journalctl-modes"
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	clock := regexp.MustCompile(`^{"v":1,"timestamp":"20\d\d-11-27T21:00:07\.\d{6}Z"`)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".log"), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := []string{"-c", filepath.Join(dir, "fwknop.conf"), "-a", filepath.Join(dir, "access.conf"), "--format", "jsonl", file}
			if code := Replay(args, nil, &stdout, &stderr); code != 0 {
				t.Fatalf("exit %d: %s", code, &stderr)
			}
			line := stdout.String()
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, `"verdict":"granted","reason":"knock.granted"`) {
				t.Errorf("%s%s", line, &stderr)
			}
			if !strings.Contains(file, "monotonic") && !clock.MatchString(line) {
				t.Errorf("time: %s", line)
			}
			if !strings.Contains(stderr.String(), " 3 events + ") || !strings.Contains(stderr.String(), " 0 malformed") {
				t.Errorf("%s", &stderr)
			}
		})
	}
}
