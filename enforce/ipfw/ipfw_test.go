package ipfw

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fwknopd/enforce"
)

var (
	ctx     = context.Background()
	client  = netip.MustParseAddr("192.0.2.7")
	client6 = netip.MustParseAddr("2001:db8::7")
	values  = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
)

const (
	checkState  = "check-state :default"
	established = "allow tcp from any to any established"
)

func tcp(src netip.Addr, port uint16, end time.Time) enforce.Grant {
	return enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: enforce.TCP, Number: port}}, Expires: end, Stanza: 3}
}

// soon is an end with a full second, so that comments are short.
func soon() time.Time { return time.Now().Truncate(time.Second).Add(time.Minute) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) wantAsked(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.asked(), values); diff != "" {
		b.t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func (b *bench) wantOpen(want ...enforce.Grant) {
	b.t.Helper()
	got, err := b.List(ctx)
	must(b.t, err)
	if diff := cmp.Diff(want, got, values); diff != "" {
		b.t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestStatic(t *testing.T) {
	b := newBench(t, established)
	must(t, b.Setup(ctx))
	end := soon()
	g := tcp(client, 22, end)
	must(t, enforce.Open(ctx, b, g))
	first := "allow tcp from 192.0.2.7 to any 22 // " + g.Comment().String()
	b.wantAsked("-q add 1 " + first)
	b.wantOpen(g)

	must(t, enforce.Open(ctx, b, g)) // again
	must(t, enforce.Open(ctx, b, tcp(client, 22, end.Add(-time.Second))))
	b.wantAsked()

	later := tcp(client, 22, end.Add(time.Minute))
	must(t, enforce.Open(ctx, b, later))
	b.wantAsked("-q add 2 allow tcp from 192.0.2.7 to any 22 // "+later.Comment().String(), "-q delete 1")
	b.wantOpen(later)

	must(t, enforce.Revoke(ctx, b, g))
	must(t, enforce.Revoke(ctx, b, g))
	b.wantAsked("-q delete 2")
	b.wantOpen()
}

func TestDynamic(t *testing.T) {
	for _, rule := range []string{checkState, "allow tcp from me to any setup keep-state :default"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, rule, established)
			b.cfg.RuleNum, b.cfg.SetNum, b.cfg.Interval = 100, 7, time.Minute
			b.open()
			must(t, b.Setup(ctx))
			g := tcp(client, 22, soon())
			must(t, enforce.Open(ctx, b, g))
			b.wantAsked("-q set disable 7",
				"-q add 101 allow tcp from 192.0.2.7 to any 22 keep-state // "+g.Comment().String())
			b.change(func(s *standIn) { s.States = []int{101, 101, 100} })
			must(t, enforce.Revoke(ctx, b, g))
			b.wantOpen()
			sleep(10 * time.Minute)
			b.wantAsked("-q set move rule 101 to 7") // a connection keeps it

			again := tcp(client, 22, soon().Add(time.Hour))
			must(t, enforce.Open(ctx, b, again))
			b.wantAsked("-q add 102 allow tcp from 192.0.2.7 to any 22 keep-state // " + again.Comment().String())
			b.wantOpen(again)

			b.change(func(s *standIn) { s.States = []int{100} })
			sleep(time.Minute + time.Second)
			b.wantAsked("-q delete 101")
			b.wantOpen(again)
		})
	}
}

// sleep lets the synctest clock run on, and waits until all that is due is done.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestPurgeResumes: a new process cleans up after a dead one, and none wakes up
// without need.
func TestPurgeResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, checkState)
		must(t, enforce.Open(ctx, b, tcp(client, 22, soon())))
		must(t, enforce.Revoke(ctx, b, tcp(client, 22, soon())))
		b.open()
		b.asked()
		must(t, b.Setup(ctx))
		sleep(time.Hour)
		b.wantAsked("-q set disable 1", "-q delete 1")
		if b.purge != nil {
			t.Error("a timer runs with nothing to clean")
		}
	})
}

// TestProgram runs a program: what reaches it are arguments, not text.
func TestProgram(t *testing.T) {
	dir := t.TempDir()
	state, path := filepath.Join(dir, "state"), filepath.Join(dir, "ipfw")
	self, err := os.Executable()
	must(t, err)
	must(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s='%s' exec '%s' \"$@\"\n", standInFile, state, self), 0o755))
	text, err := json.Marshal(standIn{Rules: userRules([]string{checkState}), Fail: "-q delete"})
	must(t, err)
	must(t, os.WriteFile(state, text, 0o600))
	b, err := open(ctx, Config{Path: path})
	must(t, err)
	defer b.Close()
	g := tcp(client, 22, soon())
	must(t, enforce.Open(ctx, b, g))
	open, err := b.List(ctx)
	if diff := cmp.Diff([]enforce.Grant{g}, open, values); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := b.Flush(ctx); err == nil || !strings.Contains(err.Error(), "ipfw -q delete 1: status 64: ipfw: cannot") {
		t.Errorf("failing ipfw: %v", err)
	}
}

func TestForms(t *testing.T) {
	b := newBench(t, established)
	end := soon()
	udp := enforce.Grant{Src: client, Dst: netip.MustParseAddr("198.51.100.1"), Ports: []enforce.Port{{Proto: enforce.UDP, Number: 53}}, Expires: end, Stanza: 9}
	icmp := enforce.Grant{Src: client, Ports: []enforce.Port{{Proto: enforce.ICMP}}, Expires: end, Stanza: 9}
	icmp6 := enforce.Grant{Src: client6, Ports: []enforce.Port{{Proto: enforce.ICMP}}, Expires: end, Stanza: 9}
	all := enforce.Grant{Src: client6, All: true, Expires: end, Stanza: 12}
	wide := tcp(client, 26, end)
	wide.SetSource(netip.MustParsePrefix("192.0.2.0/24"))
	wide6 := tcp(client6, 26, end)
	wide6.SetSource(netip.MustParsePrefix("2001:db8::/64"))
	permanent := tcp(client6, 22, time.Time{})
	odd := tcp(client, 25, end.Add(123*time.Millisecond))
	var want []string
	for i, c := range []struct {
		g    enforce.Grant
		rule string
	}{
		{udp, "allow udp from 192.0.2.7 to 198.51.100.1 53"},
		{icmp, "allow icmp from 192.0.2.7 to any"},
		{icmp6, "allow ipv6-icmp from 2001:db8::7 to any"},
		{all, "allow ip from 2001:db8::7 to any"},
		{permanent, "allow tcp from 2001:db8::7 to any 22"},
		{odd, "allow tcp from 192.0.2.7 to any 25"},
		{wide, "allow tcp from 192.0.2.0/24 to any 26"},
		{wide6, "allow tcp from 2001:db8::/64 to any 26"},
	} {
		must(t, enforce.Open(ctx, b, c.g))
		want = append(want, fmt.Sprintf("-q add %d %s // %s", i+1, c.rule, c.g.Split()[0].Comment()))
	}
	b.wantAsked(want...)
	gs := []enforce.Grant{udp, icmp.Normal(), icmp6.Normal(), all, permanent, odd, wide, wide6}
	for i := range gs { // the comment counts milliseconds
		if !gs[i].Expires.IsZero() {
			gs[i].Expires = time.UnixMilli(gs[i].Expires.UnixMilli())
		}
	}
	enforce.SortGrants(gs)
	b.wantOpen(gs...)
}

func TestRefusals(t *testing.T) {
	b := newBench(t, established)
	end := soon()
	nat, output, past := tcp(client, 22, end), tcp(client, 22, end), tcp(client, 22, time.Now().Add(-time.Second))
	nat.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.2:22")}
	output.NAT, output.Output = nil, true
	errs, _ := b.Change(ctx, []enforce.Grant{nat, output, past, tcp(client, 22, end)}, nil)
	if len(errs) != 4 || !errors.Is(errs[0], errForm) || !errors.Is(errs[1], errForm) || !errors.Is(errs[2], errEnded) || errs[3] != nil {
		t.Errorf("errors %v", errs)
	}
	b.change(func(s *standIn) { s.Fail = "-q delete" })
	if err := enforce.Revoke(ctx, b, tcp(client, 22, end)); err == nil || !strings.Contains(err.Error(), "status 64") {
		t.Errorf("failing ipfw: %v", err)
	}
	b.change(func(s *standIn) { s.Fail = "-dS" })
	if errs, _ := b.Change(ctx, []enforce.Grant{nat, output}, nil); len(errs) != 2 || errs[0] == nil || errs[1] == nil {
		t.Errorf("failing ipfw: %v", errs)
	}
	b.cfg.SetNum = 31
	if _, err := open(ctx, b.cfg); !errors.Is(err, errSet) {
		t.Errorf("set 31: %v", err)
	}
}

func TestCompare(t *testing.T) {
	b := newBench(t, established)
	end := soon()
	one, two, stranger := tcp(client, 22, end), tcp(client, 443, end), tcp(client6, 22, end)
	must(t, errors.Join(enforce.Open(ctx, b, one), enforce.Open(ctx, b, stranger)))
	found, err := b.Compare(ctx, []enforce.Grant{one, two, tcp(client, 80, time.Now().Add(-time.Second))})
	must(t, err)
	if diff := cmp.Diff(enforce.Difference{Missing: []enforce.Grant{two}, Found: []enforce.Grant{stranger}}, found, values); diff != "" {
		t.Error(diff)
	}
	must(t, enforce.Open(ctx, b, two))
	b.wantOpen(one, two, stranger)
	must(t, b.Flush(ctx))
	b.wantOpen()
	if n := len(b.state.Rules); n != 2 {
		t.Errorf("%d rules after Flush, want the user's two", n)
	}
	found, err = b.Compare(ctx, []enforce.Grant{one})
	if err != nil || len(found.Missing) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	must(t, b.Teardown(ctx))
}

func TestDump(t *testing.T) {
	text, err := newBench(t, checkState).Dump(ctx)
	if want := "00100 set 0 check-state :default\n65535 set 31 deny ip from any to any\n"; err != nil || !strings.HasPrefix(string(text), want) {
		t.Errorf("%q, %v; want %q", text, err, want)
	}
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		rules []string
		want  int
	}{{[]string{established}, 1}, {[]string{checkState}, 1}, {nil, 2}} {
		if notes := newBench(t, c.rules...).Notes(); len(notes) != c.want {
			t.Errorf("%q: %q", c.rules, notes)
		}
	}
}

// TestForeignRules: rules of others are neither ours nor in the way.
func TestForeignRules(t *testing.T) {
	p := parsePolicy(`00001 set 0 allow tcp from 192.0.2.7 to any dst-port 22 // _exp_1700000060
00002 set 0 allow tcp from any to me dst-port 22 setup
00003 set 0 count ip from any to any // fwknopd:3:1d7e9a40
00004 set 0 allow tcp from table(1) to any // fwknopd:3:1d7e9a40
00005 set 0 allow tcp from 192.0.2.7 to any dst-port ssh // fwknopd:3:1d7e9a40
00006 set 0 allow esp from 192.0.2.7 to any // fwknopd:3:1d7e9a40
00007 set 0 allow tcp from 192.0.2.7 to any // fwknopd:3:1d7e9a40
junk
# DISABLED 00008 set 5 pass udp from 192.0.2.7 to me dst-port 53 // fwknopd:3:1d7e9a40

`)
	if len(p.rules) != 1 || p.rules[0].num != 8 || p.rules[0].set != 5 || len(p.used) != 8 {
		t.Errorf("%+v", p)
	}
}

// FuzzParsePolicy: what is taken for a rule of ours is a grant, and the rule that is added for it
// reads as the same grant.
func FuzzParsePolicy(f *testing.F) {
	f.Add("00001 set 0 allow tcp from 192.0.2.7 to any dst-port 22 keep-state :default // _exp_1795333596 fwknopd:3:1d7e9a40\n## Dynamic rules (1 128):\n00001 1\n")
	f.Add("# DISABLED 00002 set 1 pass ipv6-icmp from 2001:db8::/64 to 2001:db8::1 // _exp_1 fwknopd:1:1\n00003 allow all from 192.0.2.7 to me // fwknopd:3:1d7e9a40\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range parsePolicy(text).rules {
			g := r.grant
			if !g.Src.IsValid() || g.All == (len(g.Ports) == 1) {
				t.Fatalf("%+v", r)
			}
			for _, dynamic := range []bool{false, true} {
				args := (&Backend{dynamic: dynamic}).addArgs(r.num, g)
				line := fmt.Sprintf("%05d set %d %s\n", r.num, r.set, strings.Join(args[slices.Index(args, "allow"):], " "))
				if again := parsePolicy(line).rules; len(again) != 1 || !reflect.DeepEqual(again[0], r) {
					t.Fatalf("%+v is added as %q, which reads %+v", r, line, again)
				}
			}
		}
	})
}
