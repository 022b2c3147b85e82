package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/jsonl"
	"fwknopd/fixtures/short"
)

// explained runs explain and returns its exit code and what it wrote.
func explained(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, say bytes.Buffer
	code = Explain(args, nil, &out, &say)
	return code, out.String(), say.String()
}

// decidedRecords returns the records that replay prints a decision about, in order.
func decidedRecords(t *testing.T, args []string) (records []string) {
	t.Helper()
	var out, say bytes.Buffer
	if code := Replay(append([]string{"--json"}, args...), nil, &out, &say); code != exitOK {
		t.Fatalf("replay: exit %d, %s", code, say.String())
	}
	for line := range strings.Lines(out.String()) {
		var d struct {
			Type    string `json:"event_type"`
			Verdict string
			Input   struct {
				Name   string
				Record int
			}
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if record := fmt.Sprintf("%s:%d", d.Input.Name, d.Input.Record); d.Type == "decision" && d.Verdict != "expired" && !slices.Contains(records, record) {
			records = append(records, record)
		}
	}
	return records
}

// sameByNumber compares explanations by question with those by number.
func sameByNumber(t *testing.T, args []string) {
	t.Helper()
	records := decidedRecords(t, args)
	for _, format := range []string{"text", "json"} {
		args := append(slices.Clone(args), "--format", format)
		code, want := exitOK, ""
		var texts []string
		for _, r := range records {
			one, text, say := explained(t, append(args, "--record", r)...)
			if one != exitOK && one != exitRefused {
				t.Fatalf("record %s: exit %d, %s", r, one, say)
			}
			code, want, texts = max(code, one), want+text, append(texts, text)
		}
		if len(records) == 0 {
			code = exitError
		}
		if gotCode, got, say := explained(t, append(args, "--all")...); gotCode != code || got != want {
			t.Errorf("--all: exit %d, want %d; %s\ngot:\n%s\nwant:\n%s", gotCode, code, say, got, want)
		}
		if n := len(texts); n > 1 {
			if _, got, _ := explained(t, append(args, "--last", "2")...); got != texts[n-2]+texts[n-1] {
				t.Errorf("--last 2:\n%s\nwant:\n%s", got, texts[n-2]+texts[n-1])
			}
		}
	}
}

// An explanation found by a question is the one that its number gets, in every capture.
func TestQuestionExplainsAsNumber(t *testing.T) {
	short.Skip(t)
	homes := gpgHomes(t)
	for _, v := range jsonl.Read[vector](t, vectorDir+"/vectors.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			if v.usesGPG() {
				v.homes = homes(t)
			}
			sameByNumber(t, append(v.write(t, t.TempDir()), filepath.Join(vectorDir, v.File)))
		})
	}
	for name, input := range map[string][]string{
		"quota":     append(quotaConf(t), writeCapture(t, traffic(t, 5, 0))),
		"replays":   args(spaConf, captures),
		"knocks":    args(knockConf, []string{"knock.log"}),
		"both":      args([]string{"--all-modes", "-c", "fwknop.conf", "-a", "mixed.conf", "knock.log"}, captures[:2], captures[11:]),
		"the demo":  {"-c", "../../cmd/fwknopd/demo/data/fwknopd.conf", "-a", "../../cmd/fwknopd/demo/data/access.conf", "../../cmd/fwknopd/demo/data/friday.pcap"},
		"no signal": args(spaConf, []string{"knock.log"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(replayDir)
			sameByNumber(t, input)
		})
	}
}

// What --src and --reason select, and what is said of the rest.
func TestQuestionSelects(t *testing.T) {
	t.Chdir(replayDir)
	day := args(spaConf, captures)
	for _, tt := range []struct {
		ask            string
		code           int
		packets        string // the records that are explained, of captures
		stdout, stderr string
	}{
		{"--reason spa.stale", exitRefused, "2:1", "remedy synchronise the client's clock", ""},
		{"--reason spa.", exitRefused, "10:1", "", "11 more: --all\n"},
		{"--reason spa.granted --last 2", exitOK, "7:1 9:1", "", "3 more: --all\n"},
		{"--src 10.77.0.2 --reason spa.replay --all", exitRefused, "1:2", "", ""},
		{"--src 10.77.0.0/16 --reason spa.stale --last 9", exitRefused, "2:1", "", ""},
		{"--src 192.0.2.7", exitError, "", "", "fwknopd explain: no decision about 192.0.2.7; 12 decisions about 2 other sources\n"},
		{"--src 192.0.2.0/24", exitError, "", "", "no decision about 192.0.2.0/24; "},
		{"--src 10.77.0.2 --reason knock.", exitError, "", "", "no decision knock.* about 10.77.0.2; 11 decisions about it: spa.command 1, spa.decrypt_failed 1, "},
		{"--reason spa.cut", exitError, "", "", "no decision spa.cut; 12 decisions: spa.command 1, "},
		{"--reason spa.stail", exitUsage, "", "", `no reason "spa.stail" (did you mean spa.stale?)`},
		{"--reason weather.bad", exitUsage, "", "", `no reason "weather.bad" (fwknopd help lists them)`},
		{"--reason nothing.", exitUsage, "", "", `no reason "nothing."`},
		{"--reason ", exitUsage, "", "", `no reason ""`},
		{"--last 0", exitUsage, "", "", "--last: 1 to 1000"},
		{"--last 1001", exitUsage, "", "", "--last: 1 to 1000"},
		{"--last 2 --all", exitUsage, "", "", "exclude each other"},
		{"--src 10.77.0.2 --record 1", exitUsage, "", "", "select several"},
		{"--src host", exitUsage, "", "", `--src: "host" is not an address or a network`},
	} {
		code, out, say := explained(t, append(slices.Clone(day), strings.Split(tt.ask, " ")...)...)
		var packets []string
		for line := range strings.Lines(out) {
			if name, ok := strings.CutPrefix(line, "packet "); ok {
				file, record, _ := strings.Cut(name, ".pcap:")
				packets = append(packets, fmt.Sprintf("%d:%s", slices.Index(captures, file+".pcap"), strings.Fields(record)[0]))
			}
		}
		if got := strings.Join(packets, " "); code != tt.code || got != tt.packets || !strings.Contains(out, tt.stdout) || !strings.Contains(say, tt.stderr) {
			t.Errorf("%s: exit %d, packets %q\n%s\n%s", tt.ask, code, got, say, out)
		}
		if tt.stderr == "" && strings.Contains(say, "more") {
			t.Errorf("%s: %s", tt.ask, say)
		}
	}
}

// A pipe is read once.
func TestQuestionOfAPipe(t *testing.T) {
	log, err := os.ReadFile(filepath.Join(replayDir, "knock.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(replayDir)
	var out, say bytes.Buffer
	code := Explain(append(knockConf[:4:4], "-", "--src", "10.77.0.2"), bytes.NewReader(log), &out, &say)
	if code != exitOK || !strings.HasPrefix(out.String(), "packet standard input:3 10.77.0.2:40002") {
		t.Errorf("exit %d, %s\n%s", code, say.String(), out.String())
	}
}
