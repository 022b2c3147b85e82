package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/policy/conf"
)

// call runs a command.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fleet")
	code, out, errs := call("init", "--out", dir, "gw1=10.0.0.1:4223", "gw2=10.0.0.2:4223", "witness=[fd00::3]:4223")
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	for _, name := range []string{"gw1", "gw2", "witness"} {
		st, err := os.Stat(filepath.Join(dir, name+".pem"))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	line := peersLine(t, out)
	peers, err := conf.ParseFleetPeers(line)
	if err != nil || len(peers) != 3 || strings.Count(out, "FLEET_PEERS        "+line+";\n") != 3 {
		t.Errorf("peers %v, %v in\n%s", peers, err, out)
	}
	before, _ := os.ReadFile(filepath.Join(dir, "gw2.pem"))
	if code, _, errs := call("init", "--out", dir, "new=10.0.0.9:4223", "gw2=10.0.0.2:4223"); code != exitError || !strings.Contains(errs, "gw2.pem is there") {
		t.Errorf("%d: %s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "new.pem")); err == nil {
		t.Error("the other one was written")
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "gw2.pem")); !bytes.Equal(before, after) {
		t.Error("a file was overwritten")
	}

	code, out, errs = call("init", "--out", dir, "--add", "--peers", "FLEET_PEERS "+line+";", "gw4=10.0.0.4:4223")
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	if grown := peersLine(t, out); !strings.HasPrefix(grown, line+" gw4@10.0.0.4:4223/") {
		t.Errorf("the line of four: %s", grown)
	}

	dir = t.TempDir()
	code, out, errs = call("init", "--out", dir, "--add", "--peers", line, "gw2=10.0.0.12:4223")
	renewed, err := conf.ParseFleetPeers(peersLine(t, out))
	if code != exitOK || err != nil || len(renewed) != 3 || renewed[0] != peers[0] || renewed[2] != peers[2] ||
		renewed[1].Name != "gw2" || renewed[1].Addr.String() != "10.0.0.12:4223" || renewed[1].Pin == peers[1].Pin {
		t.Errorf("another key for gw2: %d, %v, %v, %s", code, renewed, err, errs)
	}
	if code, _, errs := call("init", "--out", dir, "--add", "--peers", line, "gw2=10.0.0.1:4223"); code != exitUsage || !strings.Contains(errs, "is a member") {
		t.Errorf("the address of another one: %d, %s", code, errs)
	}
}

func peersLine(t *testing.T, out string) string {
	t.Helper()
	_, rest, _ := strings.Cut(out, "FLEET_PEERS        ")
	line, _, ok := strings.Cut(rest, ";\n")
	if !ok {
		t.Fatalf("no FLEET_PEERS in\n%s", out)
	}
	return line
}

func TestUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"want one of":       nil,
		"did you mean init": {"innit"},
		"want NAME":         {"init"},
		"go together":       {"init", "--add", "gw1=10.0.0.1:1"},
		"is a member":       {"init", "gw1=10.0.0.1:1", "gw1=10.0.0.2:1"},
		"no name":           {"init", "../gw1=10.0.0.1:1"},
		"every address":     {"init", "gw1=0.0.0.0:1"},
		"8 members":         {"init", "a=10.0.0.1:1", "b=10.0.0.2:1", "c=10.0.0.3:1", "d=10.0.0.4:1", "e=10.0.0.5:1", "f=10.0.0.6:1", "g=10.0.0.7:1", "h=10.0.0.8:1"},
	} {
		if code, _, errs := call(args...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: %d, %s", args, code, errs)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s := fleetlink.Status{
		V: 1, Name: "gw1", Fleet: "embedded", Asked: now, Quorum: true, Votes: 5, Bound: 120, Beginning: now.Add(-time.Hour),
		Claims: fleetlink.Tally{First: 3, Taken: 1}, Bucket: fleetlink.Bucket{Claims: 4, Bytes: 1024, Replicas: 3, Current: 2},
		Members: []fleetlink.Member{
			{Name: "gw1", Address: "10.0.0.1:4223", Self: true, Connected: true},
			{Name: "gw2", Address: "10.0.0.2:4223", Heard: now.Add(-12 * time.Second)},
			{Name: "gw3", Address: "10.0.0.3:4223", Connected: true, Leader: true, Witness: true, OtherPeers: true, Heard: now.Add(-400 * time.Millisecond), Clock: 3600},
			{Name: "gw4", Address: "10.0.0.4:4223"},
		},
	}
	const want = `fleet:    embedded, this member is gw1
quorum:   yes, of 5 votes: 1 of former members are still counted
messages: sent after 2026-11-30T11:00:00Z, at most 2m0s old
stored:   4 records in 1.0 KiB, on 3 members, of which one is not there or not complete
claims:   3 made, 1 were taken, 0 unavailable

MEMBER  ADDRESS        STATE                                           HEARD                 CLOCK
gw1     10.0.0.1:4223  this one                                        -                     -
gw2     10.0.0.2:4223  cut off                                         not heard of for 12s  -
gw3     10.0.0.3:4223  connected, leads, witness, another FLEET_PEERS  now                   1h0m0s ahead
gw4     10.0.0.4:4223  cut off                                         never                 -
`
	var b bytes.Buffer
	if err := printStatus(&b, s); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	s.Quorum, s.Why = false, "the fleet has no quorum, or cannot be reached"
	if printStatus(&b, s); !strings.Contains(b.String(), "quorum:   no: the fleet has no quorum") {
		t.Error(b.String())
	}
}
