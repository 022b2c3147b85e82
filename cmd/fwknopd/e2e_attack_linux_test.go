package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
)

// protocolPlans are what a worker that was taken over may do with its connection.
var protocolPlans = map[string]func(h *hostile) error{
	"ask for everything": (*hostile).askForEverything,
	"half a frame":       func(h *hostile) error { return h.sendAndStay([]byte{0, 0, 1, 0, '{'}) },
	"unknown request":    func(h *hostile) error { return h.sendAndStay(requestFrame(`{"id":999,"op":"revoke","body":{}}`)) },
	"frame of 4 GiB":     func(h *hostile) error { return h.sendAndStay([]byte{255, 255, 255, 255}) },
	"descriptors":        (*hostile).sendDescriptors,
	"silence":            func(h *hostile) error { return h.sendAndStay(nil) },
	"deaf flood":         (*hostile).floodDeaf,
	"exit codes":         (*hostile).exitWithNext,
}

func init() { maps.Copy(plans, protocolPlans) }

func requestFrame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// begin reports the worker as ready, with its load at an end.
func (h *hostile) begin() error {
	err := h.client.Ready(context.Background())
	h.client.Alive()
	return errors.Join(err, h.client.Waiting(context.Background(), nil)) // behind which nothing waits to be sent
}

// sendAndStay begins, sends bytes that no client would, and neither
// answers nor ends.
func (h *hostile) sendAndStay(text []byte) error {
	if err := h.begin(); err != nil {
		return err
	}
	if _, err := h.conn.Write(text); err != nil {
		return err
	}
	fmt.Fprintln(h.result, "sent")
	select {}
}

// sendDescriptors sends open files with the bytes of a request, many times.
func (h *hostile) sendDescriptors() error {
	if err := h.begin(); err != nil {
		return err
	}
	rights := syscall.UnixRights(int(h.result.Fd()), int(h.result.Fd()), int(h.result.Fd()))
	for id := range 2000 {
		if _, _, err := h.conn.WriteMsgUnix(requestFrame(fmt.Sprintf(`{"id":%d,"op":"waiting","body":[]}`, id+1000)), rights, nil); err != nil {
			return err
		}
	}
	fmt.Fprintln(h.result, "sent")
	select {}
}

// floodDeaf sends requests without end from a worker that reads no answer.
func (h *hostile) floodDeaf() error {
	if err := h.begin(); err != nil {
		return err
	}
	fmt.Fprintln(h.result, "sent")
	flood := []byte(strings.Repeat(string(requestFrame(`{"id":5000,"op":"open","body":"/etc/shadow"}`)), 500))
	for {
		if _, err := h.conn.Write(flood); err != nil {
			return err
		}
	}
}

// askForEverything makes requests that keep to the protocol, and reports what became of
// each.
func (h *hostile) askForEverything() error {
	ctx := context.Background()
	if err := h.begin(); err != nil {
		return err
	}
	say := func(name string, err error) { fmt.Fprintf(h.result, "%s: %v\n", name, err) }
	for name, g := range hostileGrants() {
		done := make(chan error, 1)
		h.client.Submit(g, func(err error) { done <- err })
		say("grant "+name, <-done)
	}
	for _, name := range []string{"/etc/shadow", "access.conf", "../access.conf", "UDP port 1", "PCAP lo", ""} {
		_, err := h.client.Open(ctx, name)
		say("open "+name, err)
	}
	for _, stanza := range []int{0, 1, 99} {
		say(fmt.Sprint("command of stanza ", stanza), h.client.Command(ctx, monitor.Command{Stanza: stanza, Text: "touch " + filepath.Join(h.dir, "ran")}))
	}
	_, err := h.client.CheckPassword(ctx, netip.MustParseAddr("192.0.2.7"), "/etc/shadow", "root", "root")
	say("password", err)
	_, err = h.client.Journal(ctx, monitor.Journal{Follow: true, All: true})
	say("journal", err)
	_, err = h.client.Resolve(ctx, "localhost")
	say("resolve", err)
	h.exceed(ctx)
	fmt.Fprintln(h.result, "sent")
	select {}
}

// exceed asks for more grants than MAX_GRANTS, and for more digests than the rate.
func (h *hostile) exceed(ctx context.Context) {
	opened := make(chan error, 100)
	for n := range 100 {
		h.client.Submit(hostileGrant(n), func(err error) { opened <- err })
	}
	allowed := 0
	for range 100 {
		if <-opened == nil {
			allowed++
		}
	}
	fmt.Fprintf(h.result, "allowed=%d\n", allowed)
	digests, refused := make([]monitor.Digest, 1024), 0
	if journal, err := h.client.Open(ctx, privsep.FileJournal); err != nil {
		fmt.Fprintf(h.result, "journal of digests is not open: %v\n", err)
	} else {
		journal.Close()
	}
	for n := range 60 {
		for i := range digests {
			digests[i] = monitor.Digest{Key: sha256.Sum256(fmt.Append(nil, n, i)), Sent: monitor.MaxSent}
		}
		if err := h.client.Record(ctx, digests).Wait(ctx); err != nil {
			refused++
		}
	}
	fmt.Fprintf(h.result, "digests=%d\n", refused)
}

// hostileGrant is what the stanza in the first line offers.
func hostileGrant(n int) enforce.Grant {
	return enforce.Grant{Src: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), Ports: []enforce.Port{{Proto: enforce.TCP, Number: e2ePort}},
		Expires: time.Now().Add(20 * time.Second), Stanza: 1}
}

// hostileGrants are not offered by the stanza of the tests.
func hostileGrants() map[string]enforce.Grant {
	all := make(map[string]enforce.Grant)
	for name, change := range map[string]func(g *enforce.Grant){
		"another port":   func(g *enforce.Grant) { g.Ports[0].Number = 3306 },
		"port 0":         func(g *enforce.Grant) { g.Ports[0].Number = 0 },
		"every port":     func(g *enforce.Grant) { g.Ports, g.All = nil, true },
		"UDP":            func(g *enforce.Grant) { g.Ports[0].Proto = enforce.UDP },
		"too long":       func(g *enforce.Grant) { g.Expires = g.Expires.Add(24 * time.Hour) },
		"without end":    func(g *enforce.Grant) { g.Expires = time.Time{} },
		"no stanza":      func(g *enforce.Grant) { g.Stanza = 0 },
		"another stanza": func(g *enforce.Grant) { g.Stanza = 2 },
		"no source":      func(g *enforce.Grant) { g.Src = netip.Addr{} },
		"output":         func(g *enforce.Grant) { g.Output = true },
		"translation":    func(g *enforce.Grant) { g.NAT = &enforce.NAT{Masquerade: true} },
		"command": func(g *enforce.Grant) {
			g.External = &enforce.External{Open: []string{"/usr/bin/touch", "/tmp/never"}, Timeout: time.Second}
		},
	} {
		g := hostileGrant(0)
		change(&g)
		all[name] = g
	}
	return all
}

// hostileExits are the codes with which workers end one after the other: of all kinds that
// the daemon knows, and others.
var hostileExits = []int{0, 1, 2, 3, 4, 5, 6, 77, 127, 255}

// exitWithNext begins and ends with the code behind that of the worker before.
func (h *hostile) exitWithNext() error {
	text, err := os.ReadFile(h.result.Name())
	if err != nil {
		return err
	}
	n := strings.Count(string(text), "\n")
	if err := h.begin(); err != nil {
		return err
	}
	if n >= len(hostileExits) {
		return nil
	}
	fmt.Fprintln(h.result, hostileExits[n])
	os.Exit(hostileExits[n])
	return nil
}

// TestE2EAttackExitCodes: a worker that ends, with whatever code, does not end the daemon.
func TestE2EAttackExitCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("KNOPWATCHD_CHECK_INTERVAL 1;\n", stanza(""))
	s.hostile("exit codes")
	s.start()
	s.waitForResult(fmt.Sprint(hostileExits[len(hostileExits)-1]))
	if err := os.Remove(filepath.Join(s.dir, planFile)); err != nil { // the next one is honest
		t.Fatal(err)
	}
	if !wait.Until(wait.Timeout, func() bool { s.knock(ask()...); return !s.shut() }) {
		t.Error("the next worker opens nothing")
	}
}

// TestE2EAttackRequests: a worker that was taken over and keeps to the protocol gets what
// access.conf offers, as often as MAX_GRANTS says, and nothing else; nor can it fill the
// journal.
func TestE2EAttackRequests(t *testing.T) {
	s := newSite(t, "nftables")
	s.configure("DIGEST_FILE "+s.dir+"/digests/digest.cache;\n", stanza("MAX_GRANTS 4"))
	s.hostile("ask for everything")
	s.start()
	s.waitForResult("sent")
	for line := range strings.Lines(s.result()) {
		line = strings.TrimSpace(line)
		switch {
		case line == "sent" || line == "allowed=4":
		case strings.HasPrefix(line, "digests="):
			if n, err := strconv.Atoi(line[len("digests="):]); err != nil || n < 30 || n > 45 {
				t.Errorf("of 60 commits of 1,024 digests are refused: %s", line)
			}
			if n := s.said("more digests than there can be"); n < 1 || n > 10 {
				t.Errorf("said %d times", n)
			}
		case !strings.Contains(line, "refused"):
			t.Errorf("%s", line)
		}
	}
	if !strings.Contains(s.result(), "allowed=4\n") {
		t.Errorf("results:\n%s", s.result())
	}
	rules := s.Server.Run(t, "nft list ruleset")
	if strings.Contains(rules, "3306") {
		t.Errorf("rules:\n%s", rules)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "ran")); err == nil {
		t.Error("a command ran")
	}
	if info, err := os.Stat(filepath.Join(s.dir, "digests", "digest.cache")); err != nil || info.Size() > 10<<20 {
		t.Errorf("journal: %v, %v", info, err)
	}
}

// TestE2EAttackProtocol: a worker that violates the protocol, or does not answer, is ended,
// and the next one serves clients.
func TestE2EAttackProtocol(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{"half a frame", "unknown request", "frame of 4 GiB", "descriptors", "silence", "deaf flood"} {
		t.Run(plan, func(t *testing.T) {
			s := newSite(t, "nftables")
			s.configure("KNOPWATCHD_CHECK_INTERVAL 1;\n", stanza(""))
			s.hostile(plan)
			s.start()
			s.waitForResult("sent")
			if err := os.Remove(filepath.Join(s.dir, planFile)); err != nil { // the next one is honest
				t.Fatal(err)
			}
			// One that floods is found out when its answers have nowhere to go, which takes a
			// loaded machine a while.
			opened := wait.Until(3*wait.Timeout, func() bool {
				s.knock(ask()...)
				return !s.shut()
			})
			if !opened {
				t.Error("the next worker opens nothing")
			}
			if n := s.descriptors(); n > 200 {
				t.Errorf("the daemon has %d descriptors", n)
			}
		})
	}
}

// waitForResult waits until a hostile worker has written a line.
func (s *site) waitForResult(line string) {
	s.t.Helper()
	wait.For(s.t, line, func() bool { return strings.Contains(s.result(), line+"\n") })
}

// descriptors counts those of the monitor.
func (s *site) descriptors() int {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(names)
}
