package ipfw

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A standIn plays ipfw: it keeps rules in a file, prints them as ipfw(8) of
// FreeBSD does, and notes what it was asked.
type standIn struct {
	Rules    []standRule
	Disabled []int // sets
	States   []int // rules with a connection
	Asked    []string
	Fail     string // beginning of what is to fail
}

type standRule struct {
	Num, Set int
	Body     string
}

// standInFile is the environment variable that makes this test program a stand-in.
const standInFile = "IPFW_TEST_STATE"

func TestMain(m *testing.M) {
	if path := os.Getenv(standInFile); path != "" {
		os.Exit(runStandIn(path, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// runStandIn is the stand-in as a program.
func runStandIn(path string, args []string) int {
	var s standIn
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	var out string
	var status int
	if err == nil {
		out, status = s.run(args)
		fmt.Print(out)
		if text, err = json.Marshal(s); err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 70
	}
	return status
}

// run does what one run of ipfw would.
func (s *standIn) run(args []string) (out string, status int) {
	line := strings.Join(args, " ")
	if line != "-dS list" {
		s.Asked = append(s.Asked, line)
	}
	if s.Fail != "" && strings.HasPrefix(line, s.Fail) {
		return "ipfw: cannot\n", 64
	}
	if line == "-dS list" {
		return s.list(), 0
	}
	return "", s.obey(args)
}

func (s *standIn) obey(args []string) int {
	switch {
	case len(args) > 3 && args[0] == "-q" && args[1] == "add":
		num, err := strconv.Atoi(args[2])
		if err != nil {
			return 64
		}
		body := strings.Join(args[3:], " ")
		if head, rest, ok := strings.Cut(body, " to any "); ok && rest[0] >= '0' && rest[0] <= '9' {
			body = head + " to any dst-port " + rest
		}
		s.Rules = append(s.Rules, standRule{num, 0, strings.Replace(body, "keep-state", "keep-state :default", 1)})
		slices.SortStableFunc(s.Rules, func(a, b standRule) int { return a.Num - b.Num })
	case len(args) == 3 && args[1] == "delete":
		before := len(s.Rules)
		s.Rules = slices.DeleteFunc(s.Rules, func(r standRule) bool { return strconv.Itoa(r.Num) == args[2] })
		if len(s.Rules) == before {
			return 69
		}
	case len(args) == 4 && args[1] == "set" && args[2] == "disable":
		set, _ := strconv.Atoi(args[3])
		s.Disabled = append(s.Disabled, set)
	case len(args) == 7 && strings.HasPrefix(strings.Join(args, " "), "-q set move rule "):
		for i := range s.Rules {
			if strconv.Itoa(s.Rules[i].Num) == args[4] {
				s.Rules[i].Set, _ = strconv.Atoi(args[6])
			}
		}
	default:
		return 64
	}
	return 0
}

func (s *standIn) list() string {
	var b strings.Builder
	for _, r := range s.Rules {
		if slices.Contains(s.Disabled, r.Set) {
			b.WriteString("# DISABLED ")
		}
		fmt.Fprintf(&b, "%05d set %d %s\n", r.Num, r.Set, r.Body)
	}
	fmt.Fprintf(&b, "## Dynamic rules (%d %d):\n", len(s.States), 128*len(s.States))
	for _, num := range s.States {
		fmt.Fprintf(&b, "%05d 12 960 (297s) STATE tcp 192.0.2.7 40000 <-> 198.51.100.1 22 :default\n", num)
	}
	return b.String()
}

// A bench is a backend with a stand-in in this process.
type bench struct {
	*Backend
	t   *testing.T
	cfg Config

	mu    sync.Mutex
	state standIn
}

// newBench has the rules of a user, numbered by the hundred.
func newBench(t *testing.T, user ...string) *bench {
	t.Helper()
	b := &bench{t: t, state: standIn{Rules: userRules(user)}}
	b.cfg.exec = func(_ context.Context, args ...string) (string, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		out, status := b.state.run(args)
		if status != 0 {
			return "", fmt.Errorf("status %d: %s", status, out)
		}
		return out, nil
	}
	b.open()
	return b
}

func userRules(bodies []string) (rules []standRule) {
	for i, body := range bodies {
		rules = append(rules, standRule{Num: 100 * (i + 1), Body: body})
	}
	return append(rules, standRule{Num: 65535, Set: 31, Body: "deny ip from any to any"})
}

// open is a new process.
func (b *bench) open() {
	b.t.Helper()
	if b.Backend != nil {
		b.Backend.Close()
	}
	var err error
	if b.Backend, err = open(ctx, b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.Backend.Close() })
}

func (b *bench) change(f func(*standIn)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.state)
}

// asked returns and forgets what ipfw was asked, but for listings.
func (b *bench) asked() (asked []string) {
	b.change(func(s *standIn) { asked, s.Asked = s.Asked, nil })
	return asked
}
