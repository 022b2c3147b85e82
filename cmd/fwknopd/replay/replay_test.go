package replay

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/fixtures/golden"
)

// replayDir holds configurations, inputs and the expected output.
const replayDir = "../../../fixtures/replay"

// inReplayDir runs a command in replayDir, so that its output has relative names.
func inReplayDir(t *testing.T, command func(args []string) int, args []string) int {
	t.Helper()
	t.Chdir(replayDir)
	return command(args)
}

// captures are the captures of one day in the order in which they are read.
var captures = []string{
	"../spa/pcap/c-udp-cbc-key24.pcap", "../spa/pcap/x-replay-other-port.pcap", "../spa/pcap/c-time-minus-5min.pcap",
	"../spa/pcap/c-time-plus-5min.pcap", "../spa/pcap/c-port-denied.pcap", "../spa/pcap/c-type0-command.pcap",
	"../spa/pcap/c-type2-nat.pcap", "../spa/pcap/c-multiport.pcap", "../spa/pcap/c-user-case.pcap",
	"../spa/pcap/c-udpraw-spoofed.pcap", "../spa/pcap/x-flip-middle.pcap", "../spa/pcap/c-udp-other-port.pcap",
}

var spaConf = []string{"-c", "fwknopd.conf", "-a", "access.conf"}

var knockConf = []string{"-c", "fwknop.conf", "-a", "knock.conf"}

func args(parts ...[]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestGolden(t *testing.T) {
	tests := []struct {
		name    string
		explain bool
		args    []string
	}{
		{"replay-text", false, args(spaConf, captures)},
		{"replay-jsonl", false, args(spaConf, []string{"--format", "jsonl"}, captures)},
		{"replay-filter", false, args(spaConf, []string{"--filter", "udp port 4433"}, captures)},
		{"replay-what-if", false, args(spaConf, []string{"--what-if", "access2.conf"}, captures)},
		{"replay-what-if-jsonl", false, args(spaConf, []string{"--what-if", "access2.conf", "--format=jsonl"}, captures)},
		{"replay-fail-on", false, args(spaConf, []string{"--fail-on", "malformed,refused"}, captures[1:2])},
		{"replay-fail-on-nothing", false, args(spaConf, []string{"--fail-on", "malformed,refused"}, captures[:1])},
		{"replay-knock", false, args(knockConf, []string{"knock.log"})},
		{"replay-knock-jsonl", false, args(knockConf, []string{"--format", "jsonl", "knock.log"})},
		{"replay-mixed", false, args([]string{"--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2], captures[11:])},
		{"replay-mode", false, args([]string{"-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2], captures[11:])},
		{"replay-mode-unset", false, args([]string{"-c", "fwknopd.conf", "-a", "mixed.conf", "knock.log"}, captures[:2])},
		{"replay-mode-unsaid", false, args([]string{"-c", "/dev/null", "-a", "mixed.conf", "knock.log"}, captures[:2])},
		{"explain-mode", true, args([]string{"-c", "fwknop.conf", "-a", "mixed.conf"}, captures[:1], []string{"--record", "1"})},
		{"replay-no-config", false, []string{"-c", "fwknop.conf", "-a", "missing.conf", "knock.log"}},
		{"explain-granted", true, args(spaConf, captures[:1], []string{"--record", "1"})},
		{"explain-port", true, args(spaConf, captures[4:5], []string{"--record", "1"})},
		{"explain-replay", true, args(spaConf, captures[1:2], []string{"--record", "2"})},
		{"explain-stale", true, args(spaConf, captures[2:3], []string{"--record", "1"})},
		{"explain-jsonl", true, args(spaConf, captures[2:3], []string{"--record", "1", "--format", "jsonl"})},
		{"explain-filtered", true, args(spaConf, captures[11:12], []string{"--record", "1"})},
		{"explain-stranger", true, args(spaConf, []string{"--payload", stalePayload, "--src", "192.0.2.1", "--time", "1700000001"})},
		{"explain-payload", true, args(spaConf, []string{"--payload", stalePayload, "--src", "10.77.0.2:1234", "--dst", "10.77.0.1", "--time", "2023-11-14T22:13:21Z"})},
		{"explain-payload-base64", true, args(spaConf, []string{"--payload", base64.StdEncoding.EncodeToString([]byte(stalePayload)), "--src", "10.77.0.2", "--time", "1700000001"})},
		{"explain-knock", true, args(knockConf, []string{"knock.log", "--record", "2"})},
		{"explain-knock-granted", true, args(knockConf, []string{"knock.log", "--record", "3"})},
		{"explain-no-packet", true, args(knockConf, []string{"knock.log", "--record", "4"})},
		{"explain-beyond", true, args(knockConf, []string{"knock.log", "--record", "400"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file, err := filepath.Abs(filepath.Join(replayDir, tt.name+".golden"))
			if err != nil {
				t.Fatal(err)
			}
			var out, say bytes.Buffer
			command := Replay
			if tt.explain {
				command = Explain
			}
			code := inReplayDir(t, func(a []string) int { return command(a, nil, &out, &say) }, tt.args)
			got := fmt.Sprintf("exit %d\n-- stdout --\n%s-- stderr --\n%s", code, out.String(), say.String())
			golden.Compare(t, file, []byte(got))
		})
	}
}

func TestDumpPackets(t *testing.T) {
	t.Chdir(replayDir)
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte(freshPayload+"\n\n"+freshPayload+"\n"+stalePayload+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, say bytes.Buffer
	args := cli.Options{Config: "fwknopd.conf", Access: "access3.conf", SPADump: list}
	if code := DumpPackets(args, time.Unix(benchTime+1, 0), &out, &say); code != exitRefused {
		t.Errorf("exit %d: %s", code, say.String())
	}
	for _, want := range []string{
		"line:1 granted spa.granted 127.0.0.1:40000", "line:3 refused spa.replay", "line:4 refused spa.stale",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// freshPayload is the text of c-udp-cbc-key24.
const freshPayload = "/P0e3O7bjezJgI2Pbms/lFF5qRDf+LB0pz1Ef1xWo8vjQTzJUlqO5kttiWRPmqa0mbh0nbzw1xmshoI7RT3j6cCwhLqRpCBQr7N4CxLwvmAMEbY5DBS6cy0vY1SI9XZ8j8C1WBssVGvx319uqKmbmqa++ms9F1vfg"

// stalePayload is the text of c-time-minus-5min.
const stalePayload = "/m8qDG3VhcVDZ2ZxqBr4yWrDr3f5A4Lj7aXzOd22Oazxt7uZ/bzDhUVkz0N9adBQ+7FdgTlCDwL+3nmBjjBWvIZdE5S3uC9aYbToMnAmPyyJ7RrRy/0ceZXx8B2bMl73HGO5qYeRxkpLQypk76G+fXN8d0oZZtdw8"

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		explain bool
		args    string
		code    int
	}{
		{false, "", exitUsage},
		{false, "--format xml knock.log", exitUsage},
		{false, "--fail-on rain knock.log", exitUsage},
		{false, "--no-such-flag", exitUsage},
		{false, "--help", exitOK},
		{false, "-a knock.conf no-such-file", exitError},
		{false, "-a knock.conf no-such-*.log", exitError},
		{false, "-a knock.conf --filter nonsense-here knock.log", exitConfig},
		{true, "", exitUsage},
		{true, "knock.log", exitUsage},
		{true, "--record 1", exitUsage},
		{true, "--record 1 --payload x knock.log", exitUsage},
		{true, "-a knock.conf --payload x --src nowhere", exitUsage},
		{true, "-a knock.conf --payload x --proto smoke", exitUsage},
		{true, "-a knock.conf --payload x --time late", exitUsage},
		{true, "--help", exitOK},
	} {
		t.Run(fmt.Sprint(tt.explain, " ", tt.args), func(t *testing.T) {
			command := Replay
			if tt.explain {
				command = Explain
			}
			var out, say bytes.Buffer
			run := func(a []string) int { return command(a, strings.NewReader(""), &out, &say) }
			if code := inReplayDir(t, run, strings.Fields(tt.args)); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, say.String())
			}
			if tt.code == exitOK != (say.Len() == 0) {
				t.Errorf("stderr: %q", say.String())
			}
		})
	}
}

func TestStandardInputAndArchives(t *testing.T) {
	log, err := os.ReadFile(filepath.Join(replayDir, "knock.log"))
	if err != nil {
		t.Fatal(err)
	}
	var out, say bytes.Buffer
	run := func(a []string) int { return Replay(a, bytes.NewReader(log), &out, &say) }
	if code := inReplayDir(t, run, append(knockConf[:4:4], "-")); code != exitOK {
		t.Fatalf("exit %d: %s", code, say.String())
	}
	if !strings.Contains(out.String(), "standard input:3 granted knock.granted") {
		t.Errorf("stdout:\n%s", out.String())
	}
}
