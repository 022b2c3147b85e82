package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// newFirewalldSite returns a network whose server has Debian's firewalld, with this
// FIREWALL_TYPE.
func newFirewalldSite(t *testing.T, kind string, cfg netlab.FirewalldConfig) (*site, *netlab.Firewalld) {
	t.Helper()
	s := newSiteWith(t, kind, func(testing.TB, *netlab.NS) {})
	return s, netlab.StartFirewalld(t, s.Server, cfg)
}

// firewalld2 stands for the firewalld of Debian 13, whose table no other program may change, in
// the place of a backend of this host's.
const firewalld2 = "firewalld 2"

func firewalldOf(t *testing.T, with string) netlab.FirewalldConfig {
	t.Helper()
	if with == firewalld2 {
		return netlab.FirewalldConfig{Root: netlab.DebianRoot(t, netlab.Firewalld2)}
	}
	return netlab.FirewalldConfig{Backend: with}
}

// rules returns how many rules of grants a zone has.
func rules(f *netlab.Firewalld, zone string) int {
	return strings.Count(f.Command("--zone="+zone+" --list-rich-rules"), `rule priority="-31`)
}

// TestE2EFirewalld: with firewalld a grant opens its port for IPv4 and IPv6, ends in time, is
// listed and revoked, and is put back after a reload, a change of the zone and a restart.
func TestE2EFirewalld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, with string }{{"firewalld", "nftables"}, {"auto", "nftables"}, {"firewalld", "iptables"}, {"auto", firewalld2}} {
		t.Run(c.kind+" "+c.with, func(t *testing.T) {
			s, f := newFirewalldSite(t, c.kind, firewalldOf(t, c.with))
			f.Command("--zone=external --change-interface=" + netlab.ServerIf)
			s.configure("EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n", stanza(""))
			if out, code := s.command(append([]string{"check"}, s.args()...)...); code != 0 || !strings.Contains(out, "firewall: grants are opened in firewalld\n") {
				t.Errorf("check ends with %d and says\n%s", code, out)
			}
			s.start()
			s.waitFor("firewall: firewalld\n")
			if !s.shut() {
				t.Fatal("open before a grant")
			}
			endsInTime(t, s)
			s.knock(ask()...)
			s.knock6(ask()...)
			if !s.open() || !s.reach(s.Server.V6, e2ePort, 3*time.Second) {
				t.Fatal("not open")
			}
			s.grants(0, s.Client.V4.String(), "list")
			staysOpen(t, s, f)
			s.grants(0, "^closed ", "revoke", "--all")
			if !s.shut() || rules(f, "external") != 0 {
				t.Errorf("open after revoke, with %d rules", rules(f, "external"))
			}
			if strings.Contains(s.out.String(), "still dropped by") || strings.Contains(s.events(), "blocked_by") || strings.Contains(s.out.String(), "again and again") {
				t.Error("the daemon says that something drops what is open, or changes it all the time")
			}
		})
	}
}

// TestE2EFirewalldRightsOfUnit: with the rights of its service unit the daemon asks firewalld,
// keeps the ends of grants, and shuts what ends while firewalld hangs or is dead.
func TestE2EFirewalldRightsOfUnit(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	s.likeUnit()
	s.configure("", stanza(""))
	s.start()
	s.hasRightsOfUnit()
	endsInTime(t, s)
	s.knock(ask()...)
	s.grants(0, s.Client.V4.String(), "list")
	f.Command("--reload")
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.waitFor("configuration loaded again")
	if !s.open() {
		t.Error("shut after reloads of both")
	}
	s.stop()
	s.start() // the journal has when it ends
	s.grants(0, s.Client.V4.String(), "list")
	s.grants(0, "^closed ", "revoke", "--all")
	if !s.shut() || rules(f, "public") != 0 {
		t.Errorf("open after revoke, with %d rules", rules(f, "public"))
	}
	for name, fail := range map[string]func(){"hangs": func() { f.Signal(syscall.SIGSTOP) }, "is dead": f.Kill} {
		if s.knock(append(ask(), "-f", "3")...); !s.open() {
			t.Fatal("not open")
		}
		fail()
		if !wait.Until(wait.Timeout, s.shut) {
			t.Errorf("open after its end, while firewalld %s", name)
		}
		if name == "hangs" {
			f.Signal(syscall.SIGCONT)
		} else {
			f.Start()
		}
	}
}

// endsInTime opens for three seconds.
func endsInTime(t *testing.T, s *site) {
	t.Helper()
	s.knock(append(ask(), "-f", "3")...)
	if !s.open() {
		t.Fatal("not open")
	}
	begin := time.Now()
	if !wait.Until(6*time.Second, func() bool { return !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 50*time.Millisecond) }) {
		t.Error("still open after its end")
	}
	t.Logf("shut %v after it was seen open, of 3 s", time.Since(begin).Round(10*time.Millisecond))
}

// staysOpen does to firewalld what closes its rules.
func staysOpen(t *testing.T, s *site, f *netlab.Firewalld) {
	t.Helper()
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"reload", func() { f.Command("--reload") }},
		{"complete reload", func() { f.Command("--complete-reload") }},
		{"removal of the rules", func() {
			for line := range strings.Lines(f.Command("--zone=public --list-rich-rules")) {
				out, err := s.Server.Command("firewall-cmd", "--zone=public", "--remove-rich-rule="+strings.TrimSpace(line)).CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}
		}},
		{"change of the zone", func() { f.Command("--zone=external --change-interface=" + netlab.ServerIf) }},
		{"restart", func() { f.Stop(); f.Start() }},
		{"change of the zone", func() { f.Command("--zone=external --change-interface=" + netlab.ServerIf) }},
	} {
		c.do()
		begin := time.Now()
		if !s.open() || !s.reach(s.Server.V6, e2ePort, 3*time.Second) {
			t.Errorf("shut after a %s", c.name)
		}
		t.Logf("open %v after a %s", time.Since(begin).Round(time.Millisecond), c.name)
	}
}

// TestE2EFirewalldReload measures how long a reload shuts an open port.
func TestE2EFirewalldReload(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "auto", netlab.FirewalldConfig{})
	s.configure("", stanza(""))
	s.start()
	if s.knock(ask()...); !s.open() {
		t.Fatal("not open")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Command("--reload")
	}()
	var shut, last time.Duration
	begin, reloaded := time.Now(), false
	for !reloaded || time.Since(begin) < last+time.Second {
		select {
		case <-done:
			reloaded = true
		default:
		}
		now := time.Since(begin)
		if !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 20*time.Millisecond) {
			shut += time.Since(begin) - now
			last = time.Since(begin)
		}
	}
	t.Logf("a reload shut the port for %v in all", shut.Round(time.Millisecond))
	if shut > 5*time.Second || !s.open() {
		t.Error("not repaired")
	}
}

// TestE2EFirewalldDenied: where firewalld runs and may not be asked, the daemon and check say
// so.
func TestE2EFirewalldDenied(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"firewalld", "auto"} {
		t.Run(kind, func(t *testing.T) {
			s, _ := newFirewalldSite(t, kind, netlab.FirewalldConfig{Policy: `<deny send_destination="org.fedoraproject.FirewallD1"/>`})
			s.configure("", stanza(""))
			s.launch()
			s.waitFor("the bus or firewalld refuses to be asked by this user")
			if err := s.cmd.Wait(); err == nil {
				t.Error("it starts")
			}
			out, _ := s.command(append([]string{"check"}, s.args()...)...)
			if !strings.Contains(out, "the bus or firewalld refuses") {
				t.Errorf("check says\n%s", out)
			}
		})
	}
}

// TestE2EFirewalldLocked: the panic mode of firewalld is named as what drops a grant. Its
// lockdown is none of rich rules: grants are opened and revoked, also where it would refuse root
// what it refuses.
func TestE2EFirewalldLocked(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	s.configure("", stanza(""))
	s.start()
	if s.knock(ask()...); !s.open() {
		t.Fatal("not open")
	}
	f.Command("--panic-on")
	if !s.shut() {
		t.Fatal("open in panic mode")
	}
	s.waitFor("still dropped by table inet firewalld_policy_drop chain raw_prerouting")
	f.Command("--panic-off")
	if !s.open() {
		t.Error("not open after panic mode")
	}
	s.grants(0, "^closed ", "revoke", "--all")
	f.Command("--lockdown-on")
	f.Command("--remove-lockdown-whitelist-uid=0")
	if out, err := s.Server.Command("firewall-cmd", "--add-service=http").CombinedOutput(); err == nil || !strings.Contains(string(out), "ACCESS_DENIED: lockdown is enabled") {
		t.Fatalf("there is no lockdown: %s", out)
	}
	if s.knock(ask()...); !s.open() {
		t.Error("not open under lockdown")
	}
	s.grants(0, "^closed ", "revoke", "--all")
	if !s.shut() {
		t.Error("not revoked under lockdown")
	}
}

// TestE2EFirewalldOwned: FIREWALL_TYPE nftables cannot put a grant into the table of firewalld 2.
// That is said at start and with the grant.
func TestE2EFirewalldOwned(t *testing.T) {
	t.Parallel()
	s, _ := newFirewalldSite(t, "nftables", firewalldOf(t, firewalld2))
	s.configure("", stanza(""))
	const named = "table inet firewalld chain filter_INPUT"
	if out, _ := s.command(append([]string{"check"}, s.args()...)...); !strings.Contains(out, named+" of firewalld drops what a grant is for, and is not opened: the table belongs to a running program alone") {
		t.Errorf("check says\n%s", out)
	}
	s.start()
	s.waitFor(named + " drops what a grant is for, and is not opened by nftables: the table belongs to a running program alone")
	s.knock(ask()...)
	s.waitFor("still dropped by " + named)
	if !s.shut() {
		t.Error("open all the same")
	}
}

// TestE2EFirewalldOff: FIREWALL_TYPE firewalld without one is refused, and so are keywords for
// which it has no rules.
func TestE2EFirewalldOff(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	for _, line := range []string{"ENABLE_IPT_OUTPUT Y;\n", "ENABLE_IPT_FORWARDING Y;\nENABLE_IPT_SNAT Y;\nSNAT_TRANSLATE_IP 10.1.1.1;\n", "GUARD_FORWARD tcp/8080;\n"} {
		s.configure(line, stanza("INTERNAL_NET_ACCESS 10.0.0.0/8"))
		s.launch()
		s.waitFor("firewalld has no rich rule for it; FIREWALL_TYPE nftables puts rules into its table instead")
		s.cmd.Wait()
	}
	f.Stop()
	s.configure("", stanza(""))
	s.launch()
	s.waitFor("firewalld does not run, or has left the bus")
	s.cmd.Wait()
}

// TestE2EFirewalldHangs: while firewalld hangs, requests are refused and the grants that the
// daemon has opened are listed as not confirmed. When it goes on, what has ended is shut, and
// what it was asked for in vain is not opened late.
func TestE2EFirewalldHangs(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	netlab.Serve(t, s.Server, "tcp", e2ePort+1)
	s.configure("IPT_CMD_ALARM 1;\n", strings.Replace(stanza(""), fmt.Sprint(e2ePort), fmt.Sprintf("%d, tcp/%d", e2ePort, e2ePort+1), 1))
	s.start()
	end := time.Now().Add(6 * time.Second)
	if s.knock(append(ask(), "-f", "6")...); !s.open() {
		t.Fatal("not open")
	}
	f.Signal(syscall.SIGSTOP)
	s.knock("-A", fmt.Sprintf("tcp/%d", e2ePort+1), "-f", "60")
	s.waitFor("no word from firewalld in time")
	if out, _ := s.command(append([]string{"grants", "list"}, s.args()...)...); !strings.Contains(out, "the firewall does not answer: this is what the daemon has opened in it") || !strings.Contains(out, s.Client.V4.String()) {
		t.Errorf("grants list:\n%s", out)
	}
	wait.At(end.Add(2 * time.Second))
	s.waitFor(fmt.Sprintf("firewall: %s tcp/%d: the firewall does not answer", s.Client.V4, e2ePort)) // to close it
	if netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 100*time.Millisecond) {
		t.Error("open after its end, while firewalld hangs")
	}
	f.Signal(syscall.SIGCONT)
	begin := time.Now()
	closed := func(port uint16) bool {
		return wait.Until(wait.Timeout, func() bool { return !netlab.CanConnect(s.Client, s.Server.V4, port, 100*time.Millisecond) })
	}
	if !closed(e2ePort) || !closed(e2ePort+1) {
		t.Error("open after firewalld goes on")
	}
	t.Logf("shut %v after firewalld goes on", time.Since(begin).Round(time.Millisecond))
	if !wait.Until(wait.Timeout, func() bool { return rules(f, "public") == 0 }) {
		t.Errorf("%d rules are left", rules(f, "public"))
	}
	gone := func() bool {
		return !strings.Contains(s.Server.Run(t, "nft list tables"), "fwknop_ended")
	}
	if !wait.Until(wait.Timeout, gone) {
		t.Error("the drop is left")
	}
	if s.knock(ask()...); !s.open() {
		t.Error("not open again")
	}
}

// TestE2EFirewalldBusLost: a grant of which the bus is lost before firewalld's answer is
// reported as failed, and its port is shut, although firewalld had opened it. With bus and
// firewalld back, the next request opens.
func TestE2EFirewalldBusLost(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	relay := f.RelayBus(t)
	s.Server.Bus = relay.Address
	s.configure("EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n", stanza(""))
	s.start()
	var opened bool
	relay.CutAt("addRichRule", func() {
		opened = s.open()
		f.KillBus()
	})
	s.knock(ask()...)
	s.waitFor("as firewalld may have opened it all the same, table inet fwknop_ended drops new connections of it")
	if !opened || !s.shut() {
		t.Errorf("open without an answer: %v; shut: %v", opened, s.shut())
	}
	const granted, failed = `"event_type":"grant","verdict":"granted"`, `"event_type":"grant","verdict":"failed","error":"the firewall does not answer: no connection to the bus`
	s.waitForEvent(failed)
	if events := s.events(); strings.Contains(events, granted) {
		t.Errorf("the event log:\n%s", events)
	}
	f.Kill()
	f.StartBus()
	f.Start()
	if s.knock(ask()...); !s.open() {
		t.Error("not open with both back")
	}
	wait.For(t, "a grant in the event log", func() bool { return strings.Contains(s.events(), granted) })
}

// TestE2EFirewalldDies: a firewalld that is killed leaves its rules without a timer. When it
// is back, what is open is repaired and what has ended is gone.
func TestE2EFirewalldDies(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "firewalld", netlab.FirewalldConfig{})
	s.configure("", stanza(""))
	s.start()
	if s.knock(append(ask(), "-f", "4")...); !s.open() {
		t.Fatal("not open")
	}
	f.Kill()
	begin := time.Now()
	if !wait.Until(8*time.Second, func() bool { return !netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 100*time.Millisecond) }) {
		t.Error("open after its end, with firewalld dead")
	}
	t.Logf("shut %v after firewalld died, of 4 s", time.Since(begin).Round(10*time.Millisecond))
	f.Start()
	if s.knock(ask()...); !s.open() {
		t.Error("not open with the new firewalld")
	}
	// The daemon is replaced: the journal tells the next one when the grant ends.
	s.stop()
	if _, err := os.Stat(filepath.Join(s.dir, "lib", "firewalld.open")); err != nil {
		t.Error(err)
	}
	s.start()
	s.grants(0, s.Client.V4.String()+`.*, (5\ds|1m0s) left`, "list")
	if !s.open() {
		t.Error("not adopted")
	}
}

// TestE2EFirewalldZones: a rule in the zone of the client that drops what is granted is said,
// although a zone of another interface accepts everything. The rules of other zones do not
// count, and neither do those of a zone by sources that the client is none of.
func TestE2EFirewalldZones(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"nftables", "iptables", firewalld2} {
		t.Run(with, func(t *testing.T) {
			s, f := newFirewalldSite(t, "firewalld", firewalldOf(t, with))
			s.Server.AddLink(t, "name other0 type veth peer name other1")
			chain := "table inet firewalld chain filter_INPUT"
			if with == "iptables" {
				chain = "iptables-nft filter INPUT"
			} else {
				f.Command("--permanent --new-ipset=friends --type=hash:ip")
				f.Command("--permanent --ipset=friends --add-entry=192.0.2.1")
				f.Command("--permanent --zone=dmz --add-source=ipset:friends")
				f.Command("--permanent --zone=dmz --set-target=ACCEPT")
				f.Command("--reload")
			}
			f.Command("--zone=external --change-interface=" + netlab.ServerIf)
			f.Command("--zone=trusted --change-interface=other0")
			f.Command("--zone=drop --add-source=00:11:22:33:44:55")
			f.Command("--zone=work --add-source=" + s.Client.V4.Next().Next().String())
			block := func(verb, zone string) {
				rule := fmt.Sprintf(`rule priority="-32000" family="ipv4" source address="%s" port port="%d" protocol="tcp" drop`, s.Client.V4, e2ePort)
				if out, err := s.Server.Command("firewall-cmd", "--zone="+zone, "--"+verb+"-rich-rule="+rule).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			s.configure("EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n", stanza(""))
			s.start()
			block("add", "home")
			if s.knock(ask()...); !s.open() {
				t.Error("not open")
			}
			if text := s.out.String(); strings.Contains(text, "still dropped by") || strings.Contains(s.events(), "blocked_by") {
				t.Error("what is open is said to be dropped")
			}
			block("add", "external")
			if !s.shut() {
				t.Fatal("the rule does not drop")
			}
			s.waitFor("still dropped by " + chain)
			s.knock(ask()...)
			wait.For(t, "blocked_by", func() bool { return strings.Contains(s.events(), "blocked_by") })
			block("remove", "external")
			if !s.open() {
				t.Error("not open without the rule")
			}
		})
	}
}

// TestE2EFirewalldBeside: beside a firewall that drops as well, auto opens both, and firewalld
// translates.
func TestE2EFirewalldBeside(t *testing.T) {
	t.Parallel()
	s, f := newFirewalldSite(t, "auto", netlab.FirewalldConfig{})
	dropTables("iptables-legacy")(t, s.Server)
	inside := s.AddInside(t)
	netlab.Serve(t, inside, "tcp", 80)
	s.configure("ENABLE_IPT_FORWARDING Y;\nEVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n",
		strings.Replace(stanza("INTERNAL_NET_ACCESS 10.0.0.0/8"), fmt.Sprintf("OPEN_PORTS tcp/%d\n", e2ePort), "", 1))
	s.start()
	s.waitFor("firewall: firewalld and iptables-legacy\n")
	s.knock(ask()...)
	s.knock("-A", "tcp/5580", "-N", inside.V4.String()+":80")
	for range 2 {
		if !s.open() || !s.reach(s.Server.V4, 5580, 3*time.Second) {
			t.Error("not open")
		}
		f.Command("--reload")
	}
	if strings.Contains(s.out.String(), "still dropped by") || strings.Contains(s.events(), "blocked_by") {
		t.Error("the daemon says that something drops what is open")
	}
	// A chain that drops all the same is named.
	s.Server.RunInput(t, "table inet late {\nchain input { type filter hook prerouting priority -200; tcp dport 2222 drop; }\n}", "nft -f -")
	s.waitFor("still dropped by table inet late chain input")
}
