package iptables

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/fixtures/wait"
)

// standIn is a directory with programs that answer as iptables would and write
// down what they are told. Files in it make them fail:
//
//	no-time   there is no time match
//	fail      the next n transactions fail; n is the number of its lines
//	hang      transactions never end
//	hang-list listings never end
//	no-nat    there is no nat table
//	no-jump   nothing jumps to our chains
//	no-list   no chain can be listed
//	no-whole  table filter cannot be listed whole
//	legacy    the programs are of the legacy variant
type standIn struct {
	t   *testing.T
	dir string
}

const fakeIptables = `#!/bin/sh
cd "$(dirname "$0")" || exit 9
echo "$(basename "$0") $*" >>calls
case "$*" in
"-t nat"*) [ ! -e no-nat ] || exit 3 ;;
esac
case "$*" in
*" -S"*)
	[ ! -e no-list ] || exit 4
	[ ! -e hang-list ] || { echo $$ >hanging; exec sleep 60; } ;;
esac
case "$*" in
--version) if [ -e legacy ]; then echo "iptables v1.8.9 (legacy)"; else echo "iptables v1.8.9 (nf_tables)"; fi ;;
*" -C "*) [ ! -e no-jump ] ;;
*" -I "*) rm -f no-jump ;;
*" -N "*) exit 1 ;;
"-t nat"*" -S") ;;
*" -S")
	[ ! -e no-whole ] || { echo "table 'filter' is incompatible, use 'nft' tool." >&2; exit 1; }
	echo "-P INPUT ACCEPT"
	echo "-N FWKNOP_INPUT"
	[ -e no-jump ] || echo "-A INPUT -j FWKNOP_INPUT" ;;
*" -S INPUT"*)
	echo "-P INPUT ACCEPT"
	[ -e no-jump ] || echo "-A INPUT -j FWKNOP_INPUT" ;;
*" -S FWKNOP_INPUT"*) echo "-N FWKNOP_INPUT" ;;
*" -S "*) exit 1 ;;
esac
`

const fakeRestore = `#!/bin/sh
cd "$(dirname "$0")" || exit 9
name=$(basename "$0")
script=script-$name # of each family one, which run side by side
cat >$script
printf '%s\n%s\n' "$name $*" "$(cat $script)" >>calls
if [ -e no-time ] && grep -q -- "-m time" $script; then echo "Couldn't load match time" >&2; exit 2; fi
if [ -e hang ] && ! grep -q PROBE $script; then sleep 60 & wait; fi
if [ -s fail ] && ! grep -q PROBE $script; then sed -i 1d fail; echo "line 2 failed" >&2; exit 1; fi
exit 0
`

func newStandIn(t *testing.T) *standIn {
	s := &standIn{t, t.TempDir()}
	for name, text := range map[string]string{
		"iptables": fakeIptables, "ip6tables": fakeIptables, "iptables-restore": fakeRestore, "ip6tables-restore": fakeRestore,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *standIn) put(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *standIn) open(cfg Config) *Backend {
	s.t.Helper()
	cfg.Path = filepath.Join(s.dir, "iptables")
	b, err := New(ctx, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// calls are the lines written down since the last call of calls.
func (s *standIn) calls() string {
	s.t.Helper()
	path := filepath.Join(s.dir, "calls")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	os.Remove(path)
	return string(text)
}

func hasNote(b *Backend, text string) bool {
	return strings.Contains(strings.Join(b.Notes(), "\n"), text)
}

var someGrant = enforce.Grant{Src: addr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}},
	Expires: time.Now().Add(time.Hour), Stanza: 3}

func TestNoTimeMatch(t *testing.T) {
	s := newStandIn(t)
	if b := s.open(Config{}); hasNote(b, "no time match") {
		t.Error("noted a missing time match that is there")
	}
	if err := enforce.Open(ctx, s.open(Config{}), someGrant); err != nil || !strings.Contains(s.calls(), "-m time --datestop") {
		t.Errorf("no time match in the rule; %v", err)
	}
	s.put("no-time", "")
	b := s.open(Config{})
	if !hasNote(b, "no time match in this kernel") {
		t.Errorf("notes = %q, want the missing time match", b.Notes())
	}
	s.calls()
	if err := enforce.Open(ctx, b, someGrant); err != nil {
		t.Fatal(err)
	}
	if calls := s.calls(); strings.Contains(calls, "-m time") || !strings.Contains(calls, "_exp_") {
		t.Errorf("rule without time match: %s", calls)
	}
}

func TestNoIP6tables(t *testing.T) {
	s := newStandIn(t)
	os.Remove(filepath.Join(s.dir, "ip6tables-restore"))
	b := s.open(Config{})
	if !hasNote(b, "no access for IPv6") {
		t.Errorf("notes = %q, want the missing program", b.Notes())
	}
	g := someGrant
	g.Src = addr("2001:db8::7")
	if err := enforce.Open(ctx, b, g); !errors.Is(err, ErrFamily) {
		t.Errorf("Apply = %v, want %v", err, ErrFamily)
	}
	if errs, _ := b.Change(ctx, []enforce.Grant{g, someGrant}, nil); len(errs) != 2 || errs[1] != nil {
		t.Errorf("errors = %v, want one for IPv6", errs)
	}
	s.calls()
	third := someGrant
	third.Src = addr("192.0.2.8")
	b.Change(ctx, []enforce.Grant{g, third, g}, nil)
	if n := strings.Count(s.calls(), "-restore "); n != 1 {
		t.Errorf("%d transactions for a batch with refused grants, want 1", n)
	}
}

// TestNoNAT: a kernel without nat serves all that needs none.
func TestNoNAT(t *testing.T) {
	s := newStandIn(t)
	s.put("no-nat", "")
	b := s.open(Config{Roles: []enforce.Role{enforce.DNAT}})
	if err := b.Setup(ctx); err != nil || !hasNote(b, "nothing is forwarded or translated there") {
		t.Errorf("Setup = %v, notes = %q", err, b.Notes())
	}
	if err := enforce.Open(ctx, b, someGrant); err != nil {
		t.Fatal(err)
	}
	if _, err := b.List(ctx); err != nil {
		t.Error(err)
	}
	g := someGrant
	g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.2:80")}
	if err := enforce.Open(ctx, b, g); err == nil {
		t.Error("a translation without nat succeeded")
	}
}

func TestNoIptables(t *testing.T) {
	if _, err := New(ctx, Config{Path: "/nonexistent/iptables"}); err == nil {
		t.Error("New works without iptables")
	}
}

// TestAlarm: a program that hangs is killed with its children, and is not tried again,
// neither for the same grants nor for each of them.
func TestAlarm(t *testing.T) {
	s := newStandIn(t)
	b := s.open(Config{Alarm: time.Second, Tries: 5})
	s.put("hang", "")
	s.calls()
	second := someGrant
	second.Src = addr("192.0.2.8")
	errs, _ := b.Change(ctx, []enforce.Grant{someGrant, second}, nil)
	if len(errs) != 2 || !errors.Is(errs[0], command.ErrTimeout) || !errors.Is(errs[1], command.ErrTimeout) {
		t.Errorf("errors %v from a program that hangs", errs)
	}
	if n := strings.Count(s.calls(), "-restore "); n != 1 {
		t.Errorf("run %d times", n)
	}
}

// TestListingHangs: a listing that hangs ends after the time allowed for one run, or with the
// context, and so does the program.
func TestListingHangs(t *testing.T) {
	for name, want := range map[string]error{"alarm": command.ErrTimeout, "context": context.Canceled} {
		s := newStandIn(t)
		b := s.open(Config{Alarm: time.Second})
		s.put("hang-list", "")
		ctx, cancel := context.WithCancel(ctx)
		if name == "context" {
			time.AfterFunc(100*time.Millisecond, cancel)
		}
		if _, err := b.Chains(ctx); !errors.Is(err, want) {
			t.Errorf("%s: Chains = %v", name, err)
		}
		cancel()
		text, err := os.ReadFile(filepath.Join(s.dir, "hanging"))
		if err != nil && name == "context" {
			continue // it was killed before it wrote its number
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		if pid == 0 {
			t.Fatalf("%s: no listing hung: %v", name, err)
		}
		wait.For(t, "the end of the program", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	}
}

// TestCancelled: the end of the context ends a program that hangs.
func TestCancelled(t *testing.T) {
	s := newStandIn(t)
	b := s.open(Config{})
	s.put("hang", "")
	os.Remove(filepath.Join(s.dir, "script-iptables-restore")) // of the probe
	ending, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		wait.Until(wait.Timeout, func() bool { _, err := os.Stat(filepath.Join(s.dir, "script-iptables-restore")); return err == nil })
	}()
	if err := enforce.Open(ending, b, someGrant); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v", err)
	}
}

// TestStartHangs: whatever of the programs hangs, New and NewSurveyor end after the time
// allowed for one run, with an error that names the program.
func TestStartHangs(t *testing.T) {
	for _, c := range []struct {
		program, match, want string
		surveyor             bool
	}{
		{"iptables", "--version", "iptables --version: killed", true},
		{"ip6tables", "--version", "ip6tables --version: killed", true},
		{"iptables-restore", "", "iptables-restore --noflush -w 1: killed", false},
		{"ip6tables-restore", "", "ip6tables-restore --noflush -w 1: killed", false},
	} {
		s := newStandIn(t)
		path := filepath.Join(s.dir, c.program)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		hang := "#!/bin/sh\ncase \"$*\" in *" + c.match + "*) sleep 60 ;; esac\n"
		if err := os.WriteFile(path, append([]byte(hang), text...), 0o755); err != nil {
			t.Fatal(err)
		}
		cfg := Config{Path: filepath.Join(s.dir, "iptables"), Alarm: time.Second}
		if _, err := New(ctx, cfg); !errors.Is(err, command.ErrTimeout) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: New: %v", c.program, err)
		}
		if _, err := NewSurveyor(ctx, cfg); errors.Is(err, command.ErrTimeout) != c.surveyor {
			t.Errorf("%s: NewSurveyor: %v", c.program, err)
		}
	}
}

func TestTries(t *testing.T) {
	for _, c := range []struct {
		tries, failures int
		want            bool
	}{
		{0, 1, true}, {0, 2, false}, {3, 2, true}, {3, 3, false},
	} {
		s := newStandIn(t)
		b := s.open(Config{Tries: c.tries, Pause: time.Millisecond})
		s.put("fail", strings.Repeat("x\n", c.failures))
		if err := enforce.Open(ctx, b, someGrant); (err == nil) != c.want {
			t.Errorf("%d tries, %d failures: %v", c.tries, c.failures, err)
		}
	}
}

// TestOneTransaction: a batch is one program for each family, and a repeat deletes
// the old rule behind the new one in the same transaction.
func TestOneTransaction(t *testing.T) {
	s := newStandIn(t)
	b := s.open(Config{})
	g6 := someGrant
	g6.Src = addr("2001:db8::7")
	s.calls()
	if errs, _ := b.Change(ctx, []enforce.Grant{someGrant, g6}, nil); errs != nil {
		t.Fatal(errs)
	}
	if n := strings.Count(s.calls(), "-restore "); n != 2 {
		t.Errorf("%d transactions for two families, want 2", n)
	}
	later := someGrant
	later.Expires = later.Expires.Add(time.Minute)
	if err := enforce.Open(ctx, b, later); err != nil {
		t.Fatal(err)
	}
	calls := s.calls()
	add, del := strings.Index(calls, "-I FWKNOP_INPUT 1 "), strings.Index(calls, "-D FWKNOP_INPUT ")
	if strings.Count(calls, "COMMIT") != 1 || add < 0 || del < add {
		t.Errorf("a repeat is not one transaction, new before old:\n%s", calls)
	}
	if err := enforce.Open(ctx, b, someGrant); err != nil || strings.Contains(s.calls()+" ", "-restore ") {
		t.Errorf("an earlier end changes something; %v", err)
	}
}

// TestJumpRepaired: a chain that nothing leads to gets its jump before a rule.
func TestJumpRepaired(t *testing.T) {
	s := newStandIn(t)
	b := s.open(Config{})
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	s.calls()
	s.put("no-jump", "")
	if err := enforce.Open(ctx, b, someGrant); err != nil {
		t.Fatal(err)
	}
	if calls := s.calls(); !strings.Contains(calls, "-I INPUT 1 -j FWKNOP_INPUT") {
		t.Errorf("the jump was not repaired:\n%s", calls)
	}
}

// TestListFails: chains that cannot be listed are not taken for absent.
func TestListFails(t *testing.T) {
	s := newStandIn(t)
	b := s.open(Config{})
	s.put("no-list", "")
	if b.Flush(ctx) == nil || b.Prune(ctx) == nil || b.Teardown(ctx) == nil {
		t.Error("chains that could not be listed count as removed")
	}
}

func TestErrEnded(t *testing.T) {
	b := newStandIn(t).open(Config{})
	g := someGrant
	g.Expires = time.Now().Add(-time.Second)
	if err := enforce.Open(ctx, b, g); !errors.Is(err, enforce.ErrEnded) {
		t.Errorf("Apply = %v, want %v", err, enforce.ErrEnded)
	}
}

func TestConfigChains(t *testing.T) {
	s := newStandIn(t)
	appends := enforce.Chain{Target: "ACCEPT", Direction: enforce.DirDst, Table: "filter", From: "OUTPUT", JumpPos: 1, To: "FWKNOP_OUTPUT"}
	b := s.open(Config{Chains: map[enforce.Role]enforce.Chain{enforce.Output: appends}})
	if c := b.cfg.Chains[enforce.Output]; c.Direction != enforce.DirDst || c.RulePos != 0 {
		t.Errorf("chain = %+v, want client as destination, appended", c)
	}
	b = s.open(Config{Chains: map[enforce.Role]enforce.Chain{enforce.Output: appends}, Prepend: true})
	if c := b.cfg.Chains[enforce.Output]; c.Direction != enforce.DirDst || c.RulePos != 1 {
		t.Errorf("with Prepend = %+v, want position 1", c)
	}
}
