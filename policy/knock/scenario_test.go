package knock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// A scenario is a configuration and what was written to the log, second by second.
// The oracle beside it is what the 1.9 daemon did, really run.
type scenario struct {
	Name       string
	AccessConf string `json:"access_conf"`
	Conf       map[string]string
	Base       int64 `json:"base_epoch"`
	Steps      []struct {
		T   float64
		Ops [][]string
	}
}

type oracle struct {
	Grants []struct {
		T       float64
		Timeout int
		Src     string
		Proto   string
		Dport   string
	}
	Rules []string `json:"rules_at_end"`
}

// differences are the scenarios in which we grant something else than the old
// daemon, and the rule that justifies it. Each line of want is an opening: seconds
// after the start, client, port, timeout in seconds.
var differences = map[string]struct{ row, want string }{
	"s03-icmp": {"icmp OPEN_PORTS not granted: make a rule without port",
		"0 10.94.107.154 icmp 300; 0 10.94.107.154 tcp/22 300; 0 10.94.107.154 udp/53 300"},
	"e08-icmp": {"icmp OPEN_PORTS not granted: make a rule without port",
		"0 192.100.185.185 icmp 300; 0 192.100.185.185 tcp/22 300"},

	"s13-interval-not-enforced": {"KNOCK_INTERVAL not enforced for shared: enforce", ""},
	"e27-interval": {"time of processing, not of the record: the records carry one stamp, only their arrival was late",
		"0 85.118.209.110 tcp/22 300; 0 85.118.209.110 tcp/443 300"},

	"s14-limit-1":                {"KNOCK_LIMIT n gives n+1: exactly n", "0 192.79.114.8 tcp/22 300"},
	"s15-limit-0":                {"KNOCK_LIMIT n gives n+1: exactly n", ""},
	"s16-limit-cleared-by-noise": {"KNOCK_LIMIT forgotten by noise: kept apart from sequence state", ""},
	"s17-limit-per-source":       {"KNOCK_LIMIT n gives n+1: exactly n", ""},
	"e31-limit":                  {"KNOCK_LIMIT void in encrypted mode: exactly n", ""},

	"s26-os-not-enforced":       {"REQUIRE_OS ignored in shared mode: enforce", ""},
	"s27-os-regex-not-enforced": {"REQUIRE_OS ignored in shared mode: enforce", ""},
	"e15-os-ok": {"REQUIRE_OS_REGEX never works: enforce, anchor key names",
		"0 172.186.127.122 tcp/22 300; 0 172.186.127.122 tcp/443 300"},
	"e20-os-from-earlier-packet": {"REQUIRE_OS_REGEX never works: enforce; the earlier SYN lies inside the knock interval",
		"0 203.169.121.97 tcp/22 300; 0 203.169.121.97 tcp/443 300"},

	"e29-replay": {"no replay protection for encrypted sequences: remember cipher texts",
		"0 192.234.166.160 tcp/22 300; 0 192.234.166.160 tcp/443 300"},
	"e30-replay-other-source": {"no replay protection for encrypted sequences: remember cipher texts",
		"0 172.24.59.179 tcp/22 300; 0 172.24.59.179 tcp/443 300"},

	"e32-interleaved": {"requested ports pile up in OPEN_PORTS: copy per grant",
		"0 10.184.160.136 tcp/22 300; 0 10.184.160.136 tcp/443 300; 0 85.21.65.234 tcp/22 300; 0 85.21.65.234 tcp/444 300"},
	"e34-open-ports-grow": {"requested ports pile up in OPEN_PORTS: copy per grant",
		"0 172.132.40.243 tcp/22 300; 0 172.132.40.243 tcp/8081 300; 4 192.157.112.52 tcp/22 300; 4 192.157.112.52 tcp/9091 300"},
	"e37-no-open-ports": {"missing OPEN_PORTS fatal: optional", "0 85.247.78.236 tcp/443 300"},

	"s38-half-line":           {"half lines processed: hold back until the newline", "3 85.48.99.246 tcp/22 300"},
	"s40-ipv6-line":           {"unmatched line kills the daemon: an IPv6 record is a packet of another source", "0 203.237.146.172 tcp/22 300"},
	"s41-icmp-unreachable":    {"unmatched line kills the daemon: an ICMP error is no knock and does no harm", "0 141.191.233.184 tcp/22 300"},
	"s42-inner-udp-spoof":     {"embedded ICMP headers taken as packets: never knock from inner ones", ""},
	"s51-tcp-sequence-fields": {"unmatched line kills the daemon: --log-tcp-sequence is read", "0 85.117.21.149 tcp/22 300"},
	"s43-renamed":             {"rotation never followed: reopen on rename", "3 192.24.209.132 tcp/22 300"},
	"s44-truncated":           {"rotation never followed: reopen on truncation", "3 10.237.230.222 tcp/22 300"},
	"s53-source-0.0.0.0":      {"source 0.0.0.0 matches all: an ordinary address, which no net of the stanza covers", ""},
	"e26-retransmit": {"SYN retransmission resets: tolerate an identical repeat (the record is there twice, identification and all)",
		"0 141.79.247.246 tcp/22 300; 0 141.79.247.246 tcp/443 300"},
	"s48-bad-entries": {"no row, a stricter configuration: an entry that is no knock is refused at start, not left out silently", ""},
	"s47-defaults": {"FW_ACCESS_TIMEOUT left out: the manual says 300 seconds, the rule stayed for ever",
		"0 203.207.37.148 tcp/22 300"},
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../fixtures/knock/*.scenario.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	used := 0
	for _, file := range files {
		var sc scenario
		var or oracle
		load(t, file, &sc)
		load(t, strings.Replace(file, ".scenario.", ".oracle.", 1), &or)
		t.Run(sc.Name, func(t *testing.T) {
			got := run(t, &sc)
			old := or.openings()
			diff, differs := differences[sc.Name]
			switch {
			case !differs && !sameOpenings(got, old):
				t.Errorf("got\n  %v\nthe old daemon\n  %v", got, old)
			case differs && !sameOpenings(got, openingsOf(t, diff.want)):
				t.Errorf("got\n  %v\nwant (%s)\n  %s", got, diff.row, diff.want)
			case differs && sameOpenings(got, old):
				t.Errorf("no difference: %v", got)
			}
		})
		if _, ok := differences[sc.Name]; ok {
			used++
		}
	}
	if used != len(differences) {
		t.Errorf("%d of %d differences have a scenario", used, len(differences))
	}
}

// opening is one new rule: what the old daemon's records show of a grant.
type opening struct {
	at      float64 // seconds after the start; the old daemon's are late by up to 1.5
	what    string  // client and port
	timeout int
}

func (o opening) String() string { return fmt.Sprintf("%v %s %d", o.at, o.what, o.timeout) }

func openingsOf(t *testing.T, text string) (all []opening) {
	for line := range strings.SplitSeq(text, "; ") {
		if line == "" {
			continue
		}
		var o opening
		var addr, port string
		if n, err := fmt.Sscan(line, &o.at, &addr, &port, &o.timeout); n != 4 {
			t.Fatalf("%q: %v", line, err)
		}
		o.what = addr + " " + port
		all = append(all, o)
	}
	return all
}

var ruleText = regexp.MustCompile(`-s (\S+)/32 -p (\S+)(?: .*--dport (\d+))?`)

// openings lists what the old daemon opened. Rules without end were not recorded
// as grants; they are known from what stands at the end.
func (or *oracle) openings() (all []opening) {
	for _, g := range or.Grants {
		all = append(all, opening{g.T, g.Src + " " + g.Proto + "/" + g.Dport, g.Timeout})
	}
	for _, r := range or.Rules {
		m := ruleText.FindStringSubmatch(r)
		what := m[1] + " " + m[2] + "/" + m[3]
		if !slices.ContainsFunc(all, func(o opening) bool { return o.what == what }) {
			all = append(all, opening{0, what, 0})
		}
	}
	return all
}

func sameOpenings(a, b []opening) bool {
	order := func(x, y opening) int {
		if x.what != y.what {
			return strings.Compare(x.what, y.what)
		}
		return int(math.Floor(x.at) - math.Floor(y.at))
	}
	return slices.EqualFunc(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order),
		func(x, y opening) bool {
			return x.what == y.what && x.timeout == y.timeout && math.Abs(x.at-y.at) <= 1.5
		})
}

// run plays the scenario as a daemon with a perfect log follower would see it, on
// the clock of the records.
func run(t *testing.T, sc *scenario) (all []opening) {
	tr, server, ok := start(t, sc)
	if !ok {
		return nil
	}
	base := time.Unix(sc.Base, 0).UTC()
	ref := base.Add(time.Minute)
	if sc.Base == 0 {
		ref = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	}
	open := make(map[string]time.Time) // until when
	var log strings.Builder
	var ev parse.Event
	for _, step := range sc.Steps {
		for _, op := range step.Ops {
			if op[0] == "flush" {
				clear(open)
			}
			if op[0] != "log" {
				continue
			}
			log.WriteString(op[1])
			lines := strings.SplitAfter(log.String(), "\n")
			log.Reset()
			log.WriteString(lines[len(lines)-1])
			for _, line := range lines[:len(lines)-1] {
				if !wantedLine(server, line) {
					continue
				}
				if err := parse.LogLine([]byte(strings.TrimSuffix(line, "\n")), ref, &ev); err != nil {
					if !errors.Is(err, parse.ErrSkip) {
						t.Fatal(err)
					}
					continue
				}
				if sc.Base == 0 {
					base, sc.Base = ev.Time, 1
				}
				for _, r := range tr.Step(ev.Time, &ev, nil) {
					all = append(all, apply(open, &r, &ev, base)...)
				}
			}
		}
	}
	return all
}

// apply opens what is granted, and returns what was not open yet.
func apply(open map[string]time.Time, r *Result, ev *parse.Event, base time.Time) (fresh []opening) {
	for _, p := range r.Ports {
		what := r.Allow.String() + " " + p.String()
		until, there := open[what]
		if !there || !until.IsZero() && !ev.Time.Before(until) {
			fresh = append(fresh, opening{ev.Time.Sub(base).Seconds(), what, int(r.Timeout.Seconds())})
		}
		open[what] = time.Time{}
		if r.Timeout > 0 {
			open[what] = ev.Time.Add(r.Timeout)
		}
	}
	return fresh
}

// wantedLine is FW_MSG_SEARCH.
func wantedLine(server *conf.Server, line string) bool {
	return len(server.FWMsgSearch) == 0 ||
		slices.ContainsFunc(server.FWMsgSearch, func(s string) bool { return strings.Contains(line, s) })
}

// start loads the configuration; it reports false where the daemon does not start.
func start(t *testing.T, sc *scenario) (*Tracker, *conf.Server, bool) {
	files := memory{"access.conf": sc.AccessConf, "fwknop.conf": "AUTH_MODE KNOCK;\n"}
	for k, v := range sc.Conf {
		files["fwknop.conf"] += k + " " + v + ";\n"
	}
	server, _, access, problems := conf.Load(conf.Options{
		FS: files, Server: "fwknop.conf", Access: "access.conf", AnyPerms: true, Dialect: conf.Perl19,
	})
	if problems.Failed() {
		t.Log(problems)
		return nil, nil, false
	}
	return New(Options{
		Stanzas: access.Stanzas, Server: server,
		Matcher: fingerprint.NewMatcher(fingerprint.Default(), server.MaxHops),
	}), server, true
}

// memory is a file system of texts.
type memory map[string]string

func (m memory) Read(name string) ([]byte, conf.FileInfo, error) {
	text, ok := m[filepath.Base(name)]
	if !ok {
		return nil, conf.FileInfo{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), conf.FileInfo{Regular: true, Perm: 0o600}, nil
}

func (m memory) List(string) ([]string, error) { return nil, fs.ErrNotExist }

func (m memory) Exists(name string) bool { return m[name] != "" }

func load(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
