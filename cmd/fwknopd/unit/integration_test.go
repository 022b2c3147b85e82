package unit

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/expr-lang/expr"
	"go.yaml.in/yaml/v3"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/fixtures/netlab"
	"fwknopd/parse"
	"fwknopd/policy"
)

// refusals are lines of both logs about a refused packet from src.
func refusals(reason policy.Reason, src string, proto parse.Proto) (event, message string) {
	e := report.Entry{Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Verdict: report.Refused, Reason: reason, Proto: proto, Stanza: 3,
		Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort("198.51.100.1:62201"),
		Detail: &policy.Detail{Text: `x}","src_ip":"203.0.113.66`, Got: `203.0.113.66 -> 1.2.3.4:5 TCP`}}
	return string(report.AppendJSON(nil, &e)), syslogHead + "[-] " + string(report.AppendText(nil, &e))
}

const syslogHead = "Nov 22 12:00:00 gate fwknopd[12]: "

// dayLog has both logs of a day: what the daemon writes of every kind of event, and refusals.
func dayLog(t *testing.T) (lines []string) {
	t.Helper()
	golden, err := os.ReadFile("../daemon/testdata/events.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		if line = strings.TrimSpace(line); line[0] == '[' {
			line = syslogHead + line
		}
		lines = append(lines, line)
	}
	for _, r := range []struct {
		reason policy.Reason
		src    string
		proto  parse.Proto
	}{
		{policy.SPAHMACMismatch, "203.0.113.1:40000", parse.UDP}, {policy.SPAReplay, "203.0.113.2:40000", parse.UDP},
		{policy.SPADecryptFailed, "203.0.113.3:0", parse.ICMP}, {policy.NoStanza, "203.0.113.4:40000", parse.UDP},
		{policy.SPAHMACMismatch, "203.0.113.5:40000", parse.TCP}, {policy.SPAReplay, "[2001:db8::6]:40000", parse.TCP},
		{policy.SPAStale, "203.0.113.7:40000", parse.TCP}, {policy.SPAPort, "203.0.113.8:40000", parse.TCP},
		{policy.KnockWrongPort, "203.0.113.9:40000", parse.TCP},
	} {
		event, message := refusals(r.reason, r.src, r.proto)
		lines = append(lines, event, message)
	}
	return append(lines,
		`{"v":1,"timestamp":"2026-11-22T12:00:00.000000Z","event_type":"password","verdict":"refused","user":"x\",\"src_ip\":\"203.0.113.66","src_ip":"203.0.113.10","file":"/f"}`,
		syslogHead+`[-] wrong password in /f for user "x\" from 203.0.113.66" from 203.0.113.11`,
		syslogHead+`[-] worker: wrong password in /f for user "x" from 203.0.113.66`,
		"Nov 22 12:00:00 gate other[12]: [-] wrong password in /f for user \"x\" from 203.0.113.66")
}

// TestFail2ban has fail2ban-regex read both logs. By default it counts wrong passwords alone:
// no address that a forged packet can name.
func TestFail2ban(t *testing.T) {
	need(t, "fail2ban-regex")
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte(strings.Join(dayLog(t), "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	filter, err := filepath.Abs("integration/fail2ban/filter.d/fwknopd.conf")
	if err != nil {
		t.Fatal(err)
	}
	passwords := []string{"192.0.2.7", "203.0.113.10", "203.0.113.11"} // the first of the golden file
	tcp := append([]string{"2001:db8::6", "203.0.113.5"}, passwords...)
	for mode, want := range map[string][]string{
		"":                 passwords,
		"[mode=normal]":    passwords,
		"[mode=tcp]":       tcp,
		"[mode=forgeable]": append([]string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"}, tcp...),
	} {
		got := strings.Fields(run(t, "fail2ban-regex", "--out", "ip", log, filter+mode))
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("mode %q counts %q, want %q", mode, got, want)
		}
	}
}

// TestFail2banJail: fail2ban takes the jail with the filter, and it is off.
func TestFail2banJail(t *testing.T) {
	need(t, "fail2ban-client")
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS("/etc/fail2ban")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"filter.d/fwknopd.conf", "jail.d/fwknopd.conf"} {
		text, err := os.ReadFile("integration/fail2ban/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if text := run(t, "fail2ban-client", "-c", dir, "-d"); strings.Contains(text, "fwknopd") {
		t.Errorf("the jail is on: %s", text)
	}
	if err := os.WriteFile(filepath.Join(dir, "jail.d/fwknopd.local"), []byte("[fwknopd]\nenabled = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("fail2ban-client", "-c", dir, "-d")
	out, err := cmd.Output()
	if text := string(out); err != nil || !strings.Contains(text, "'add', 'fwknopd'") || !strings.Contains(text, `"password"`) || strings.Contains(text, "hmac_mismatch") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestCrowdsecExpressions evaluates the filters and expressions of the parser and the scenario,
// as crowdsec does, on events: the scenario takes wrong passwords alone.
func TestCrowdsecExpressions(t *testing.T) {
	var parser struct {
		Filter  string
		Statics []struct{ Meta, Target, Value, Expression string }
	}
	var scenario struct{ Filter, Groupby string }
	readYAML(t, "integration/crowdsec/fwknopd-logs.yaml", &parser)
	readYAML(t, "integration/crowdsec/fwknopd-password-bf.yaml", &scenario)
	var banned []string
	for _, line := range dayLog(t) {
		if line[0] != '{' {
			continue
		}
		unmarshaled, meta := map[string]any{}, map[string]string{}
		env := map[string]any{
			"evt": map[string]any{"Parsed": map[string]string{"program": "fwknopd", "message": line}, "Unmarshaled": unmarshaled, "Meta": meta},
			"UnmarshalJSON": func(text string, out map[string]any, key string) error {
				var v any
				err := json.Unmarshal([]byte(text), &v)
				out[key] = v
				return err
			},
		}
		eval := func(code string) any {
			t.Helper()
			program, err := expr.Compile(code, expr.Env(env))
			if err != nil {
				t.Fatalf("%s: %v", code, err)
			}
			value, err := expr.Run(program, env)
			if err != nil {
				t.Fatalf("%s of %s: %v", code, line, err)
			}
			return value
		}
		if eval(parser.Filter) != true {
			t.Errorf("not parsed: %s", line)
		}
		for _, s := range parser.Statics {
			value := any(s.Value)
			if s.Expression != "" {
				value = eval(s.Expression)
			}
			if text, is := value.(string); is && s.Meta != "" {
				meta[s.Meta] = text
			} else if !is || s.Target != "evt.StrTime" || text == "" {
				t.Errorf("%+v is %v", s, value)
			}
		}
		if eval(scenario.Filter) == true {
			banned = append(banned, eval(scenario.Groupby).(string))
		}
	}
	if want := []string{"192.0.2.7", "203.0.113.10"}; !slices.Equal(banned, want) {
		t.Errorf("counted %q, want %q", banned, want)
	}
}

// TestConfigurationsParse: all files of the folder are what their names say.
func TestConfigurationsParse(t *testing.T) {
	var vector struct {
		Sources    map[string]struct{ Include []string }
		Transforms map[string]struct{ Inputs []string }
		Sinks      map[string]struct{ Inputs []string }
	}
	if _, err := toml.DecodeFile("integration/vector/vector.toml", &vector); err != nil || len(vector.Sources["fwknopd"].Include) != 1 ||
		vector.Transforms["fwknopd_events"].Inputs[0] != "fwknopd" || vector.Sinks["console"].Inputs[0] != "fwknopd_events" {
		t.Errorf("%v: %+v", err, vector)
	}
	var filebeat struct {
		Inputs []struct{ Paths []string } `yaml:"filebeat.inputs"`
	}
	var acquis struct{ Filenames []string }
	readYAML(t, "integration/filebeat/filebeat.yml", &filebeat)
	readYAML(t, "integration/crowdsec/acquis.yaml", &acquis)
	for _, path := range []string{vector.Sources["fwknopd"].Include[0], filebeat.Inputs[0].Paths[0], acquis.Filenames[0]} {
		if path != "/var/log/fwknop/events.jsonl" { // EVENT_LOG
			t.Errorf("reads %s", path)
		}
	}
}

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		netlab.SkipOrFail(t, err.Error())
	}
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
