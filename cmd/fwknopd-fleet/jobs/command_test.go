package jobs

import (
	"bytes"
	"strings"
	"testing"
)

// TestRefused: an option that a job cannot have, or that has no effect on what is to be done, is refused.
func TestRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--listen 127.0.0.1:0 a.log":               "what is to be done?",
		"--os --replay --listen 127.0.0.1:0 a.log": "--os and --replay exclude each other",
		"--os a.log": "where is the work handed out?",
		"--os --listen 127.0.0.1:0 --nats nats://127.0.0.1 a.log": "where is the work handed out?",
		"--os --nats nats://127.0.0.1 --dir /tmp a.log":           "--dir goes with --listen",
		"--os --listen 127.0.0.1:0 --ca a.pem a.log":              "--credentials and --ca go with --nats",
		"--os --listen 127.0.0.1:0 --upload --root / a.log":       "with --upload they open none",
		"--os --listen 127.0.0.1:0 --summary --unknown a.log":     "--summary and --unknown exclude each other",
		"--os --listen 127.0.0.1:0 --top 0 --summary a.log":       "--top: 1 to 100000",
		"--os --listen 127.0.0.1:0 --format ecs a.log":            "--format ecs goes with --replay",
		"--os --listen 127.0.0.1:0 --access-file a.conf a.log":    "--access-file goes with --replay",
		"--os --listen 127.0.0.1:0 --what-if b.conf a.log":        "--what-if goes with --replay",
		"--os --listen 127.0.0.1:0 --fail-on granted a.log":       "--fail-on goes with --replay",
		"--replay --listen 127.0.0.1:0 --brief a.log":             "--brief goes with --os",
		"--replay --listen 127.0.0.1:0 --memory 8MiB a.log":       "--memory goes with --os",
		"--replay --listen 127.0.0.1:0 --report a.html a.log":     "--report goes with --os",
		"--replay --listen 127.0.0.1:0 --fail-on rain a.log":      `--fail-on knows no "rain"`,
		"--replay --listen 127.0.0.1:0":                           "no input",
	} {
		var stdout, stderr bytes.Buffer
		if code := Submit(strings.Fields(args), &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("%s: exit %d, %s%s, want %q", args, code, stdout.String(), stderr.String(), want)
		}
	}
}
