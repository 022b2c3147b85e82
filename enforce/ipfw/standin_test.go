package ipfw

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

const standInFile = "IPFW_TEST_STATE"

func TestMain(m *testing.M) {
	if path := os.Getenv(standInFile); path != "" {
		os.Exit(runStandIn(path, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func runStandIn(path string, args []string) int {
	var s standIn
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 70
	}
	line := strings.Join(args, " ")
	if line != "-dS list" {
		s.Asked = append(s.Asked, line)
	}
	status := 64
	if s.Fail == "" || !strings.HasPrefix(line, s.Fail) {
		status = s.obey(args)
	}
	if text, err = json.Marshal(s); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil || status != 0 {
		fmt.Fprintln(os.Stderr, "ipfw: cannot", line, err)
	}
	return status
}

func (s *standIn) obey(args []string) int {
	switch {
	case slices.Equal(args, []string{"-dS", "list"}):
		s.list()
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

func (s *standIn) list() {
	for _, r := range s.Rules {
		if slices.Contains(s.Disabled, r.Set) {
			fmt.Print("# DISABLED ")
		}
		fmt.Printf("%05d set %d %s\n", r.Num, r.Set, r.Body)
	}
	fmt.Printf("## Dynamic rules (%d %d):\n", len(s.States), 128*len(s.States))
	for _, num := range s.States {
		fmt.Printf("%05d 12 960 (297s) STATE tcp 192.0.2.7 40000 <-> 198.51.100.1 22 :default\n", num)
	}
}

// A bench is a backend with a stand-in.
type bench struct {
	*Backend
	t    *testing.T
	file string
	cfg  Config
}

func newBench(t *testing.T, user ...string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, file: filepath.Join(dir, "state"), cfg: Config{Path: filepath.Join(dir, "ipfw")}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", standInFile, b.file, self)
	if err := os.WriteFile(b.cfg.Path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b.change(func(s *standIn) {
		for i, body := range user {
			s.Rules = append(s.Rules, standRule{Num: 100 * (i + 1), Body: body})
		}
		s.Rules = append(s.Rules, standRule{Num: 65535, Set: 31, Body: "deny ip from any to any"})
	})
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	if b.Backend, err = open(ctx, b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.Backend.Close() })
}

func (b *bench) state() (s standIn) {
	b.t.Helper()
	text, err := os.ReadFile(b.file)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) change(f func(*standIn)) {
	b.t.Helper()
	var s standIn
	if _, err := os.Stat(b.file); err == nil {
		s = b.state()
	}
	f(&s)
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(b.file, text, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// asked returns and forgets what ipfw was asked, but for listings.
func (b *bench) asked() []string {
	asked := b.state().Asked
	b.change(func(s *standIn) { s.Asked = nil })
	return asked
}
