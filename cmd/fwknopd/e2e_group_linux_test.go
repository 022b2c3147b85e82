package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// announced is what a gateway logs of a message that the first one has announced.
const announced = "from the fleet: announced by a"

// prepare has the client make a message without sending it, dated so that a new fleet takes it soon, and
// returns its file.
func (s *site) prepare(i int, more ...string) string {
	packet := filepath.Join(s.dir, fmt.Sprint("prepared-", i))
	s.knock(append(ask(), append(more, "--test", "-B", packet, "--time-offset-plus", "29s")...)...)
	return packet
}

// grantEnds are when the grants end that the gateway has logged.
func (s *site) grantEnds() (list []time.Time) {
	for _, m := range regexp.MustCompile(`granted spa\.granted .* until (\S+)`).FindAllStringSubmatch(s.out.String(), -1) {
		at, err := time.Parse(time.RFC3339, m[1])
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, at)
	}
	return list
}

// fleetRevoke runs fwknopd fleet revoke.
func (s *site) fleetRevoke(args ...string) (string, int) {
	s.t.Helper()
	return s.command(append([]string{"fleet", "revoke", "-c", filepath.Join(s.dir, "fwknopd.conf")}, args...)...)
}

// TestE2EFleetGroup: what a packet opens at one gateway opens at the other of its group and not at the one
// out of it, up to the same end. One that is cut off closes on time and hears later what is still open.
// A revocation closes everywhere, says who did not hear it, and is stored for that one.
func TestE2EFleetGroup(t *testing.T) {
	t.Parallel()
	access := strings.Replace(stanza("NAME visitor\nPERMIT_CLIENT_TIMEOUT Y"), "FW_ACCESS_TIMEOUT 60", "FW_ACCESS_TIMEOUT 5", 1)
	f := newFleet(t, access, "edge", "edge")
	a, b, c := f.sites[0], f.sites[1], f.sites[2]
	n := 0
	wait.For(t, "a new fleet to take messages", func() bool {
		n++
		a.resend(a.prepare(n))
		return wait.Until(time.Second, func() bool { return b.said("granted") > 0 })
	})
	var took []time.Duration
	for range 11 {
		n++
		packet, before := a.prepare(n), b.said(announced)
		begin := time.Now()
		a.resend(packet)
		wait.For(t, "the announcement", func() bool { return b.said(announced) > before })
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("sent to the first gateway, decided at the second: best %v, median %v, worst %v", took[0], took[len(took)/2], took[len(took)-1])
	if !a.open() || !b.open() || !c.shut() || c.said(announced) > 0 {
		t.Error("not open at the gateways of the group alone")
	}
	if !strings.Contains(b.events(), `"announced_by":"a"`) {
		t.Error("the event log does not say who announced it")
	}
	ends, heard := a.grantEnds(), b.grantEnds()
	if len(ends) != len(heard) || !slices.EqualFunc(ends, heard, func(a, b time.Time) bool { return !b.After(a) && a.Sub(b) <= time.Second }) {
		t.Errorf("ends %v, at the second gateway %v", ends, heard)
	}

	f.link(1, "down")
	end := heard[len(heard)-1]
	wait.For(t, "the gateway that is cut off to close", b.shut)
	if late := time.Since(end); late > 4*time.Second {
		t.Errorf("closed %v after the end", late)
	}
	c.quorum(true)
	before := b.said(announced)
	wait.For(t, "the majority to grant", func() bool {
		n++
		grants := a.said("granted spa.granted")
		a.resend(a.prepare(n, "--fw-timeout", "100"))
		return wait.Until(2*time.Second, func() bool { return a.said("granted spa.granted") > grants })
	})
	if b.said(announced) != before || !b.shut() {
		t.Error("heard while cut off")
	}
	f.link(1, "up")
	begin := time.Now()
	wait.For(t, "what is still open to open here", func() bool { return b.said(announced) > before })
	t.Logf("heard %v after the link was back", time.Since(begin).Round(time.Millisecond))
	if !b.open() {
		t.Error("what is still open there does not open here")
	}
	begin = time.Now()
	wait.For(t, "the link between the other two", func() bool {
		out, _ := c.fleetStatus()
		return regexp.MustCompile(`(?m)^b .*connected`).MatchString(out)
	})
	t.Logf("the other two are connected after another %v", time.Since(begin).Round(time.Millisecond))
	f.revokes(a, b, c)
}

// revokes closes what is open by the gateway that is out of the group, with all links and with one down: what is
// open there closes when it is back.
func (f *fleetOf) revokes(a, b, c *site) {
	t := f.t
	if out, code := c.fleetRevoke("nobody"); code != 1 || strings.Count(out, "has no stanza of that name") != 3 {
		t.Errorf("a stanza that none has: %d\n%s", code, out)
	}
	if out, code := c.fleetRevoke("--all", "--gateway", "d"); code != 1 || !strings.Contains(out, `no gateway "d"`) {
		t.Errorf("no such gateway: %d\n%s", code, out)
	}
	begin := time.Now()
	out, code := c.fleetRevoke("visitor")
	t.Logf("revoked within %v", time.Since(begin).Round(time.Millisecond))
	if code != 0 || !strings.Contains(out, "a: closed 1 grant") || !strings.Contains(out, "b: closed 1 grant") || !strings.Contains(out, "c: nothing of that was open") {
		t.Errorf("%d\n%s", code, out)
	}
	for _, s := range []*site{a, b} {
		if !s.shut() {
			t.Error("open after a revocation")
		}
	}
	b.resend(b.prepare(1000, "--fw-timeout", "200"))
	wait.For(t, "the second gateway to open", b.open)
	f.link(1, "down")
	begin = time.Now()
	out, code = c.fleetRevoke("--all")
	if took := time.Since(begin); code != 1 || !strings.Contains(out, "b: not done: it did not answer; the order is stored for it") ||
		!strings.Contains(out, "a: nothing") || took > 8*time.Second {
		t.Errorf("%d after %v\n%s", code, took, out)
	}
	if !b.open() {
		t.Error("a gateway that is cut off has closed")
	}
	f.link(1, "up")
	begin = time.Now()
	wait.For(t, "the gateway that was cut off to close", b.shut)
	t.Logf("closed %v after the link was back", time.Since(begin).Round(time.Millisecond))
	if b.said("fleet: c has ordered at ") != 1 {
		t.Error("the log does not say who ordered it")
	}
	if netlab.CanConnect(a.Client, a.Server.V4, e2ePort, 200*time.Millisecond) {
		t.Error("open")
	}
}
