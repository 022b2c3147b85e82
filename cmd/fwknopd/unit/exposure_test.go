package unit

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// maxExposure is the most that systemd-analyze may say of the unit.
const maxExposure = 2.5

var overall = regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d+)`)

// exposure returns the level of a unit, and fails the test if it is not understood.
func exposure(t *testing.T, unit string) float64 {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
	cmd.Stderr = &said
	out, err := cmd.Output()
	m := overall.FindSubmatch(out)
	if err != nil || m == nil || said.Len() > 0 {
		t.Fatalf("systemd-analyze: %v, %s\n%s", err, said.String(), out)
	}
	level, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

// The unit gives the daemon few rights, and the parts that a drop-in gives back are
// understood.
func TestExposure(t *testing.T) {
	netlab.Need(t, "systemd-analyze")
	if level := exposure(t, "fwknopd.service"); level > maxExposure {
		t.Errorf("exposure level %v, at most %v", level, maxExposure)
	}
	if level := exposure(t, "fwknopd-fleet-witness.service"); level > maxExposure {
		t.Errorf("exposure level of the witness %v, at most %v", level, maxExposure)
	}
	unit, err := os.ReadFile("fwknopd.service")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := os.ReadFile("commands.conf")
	if err != nil {
		t.Fatal(err)
	}
	open := regexp.MustCompile(`(?m)^#([A-Z]\w+=)`).ReplaceAllString(string(parts), "$1")
	both := filepath.Join(t.TempDir(), "fwknopd.service")
	if err := os.WriteFile(both, []byte(string(unit)+open), 0o644); err != nil {
		t.Fatal(err)
	}
	if level := exposure(t, both); level <= maxExposure {
		t.Errorf("with all of commands.conf the level is %v: it gives nothing back", level)
	}
}
