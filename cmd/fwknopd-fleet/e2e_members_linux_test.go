package main

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// membersOf returns n members at addresses of one namespace, of which none is started or knows another.
func membersOf(t *testing.T, n int) (list []*member) {
	ns := netlab.New(t).Server
	for i, addr := range ns.AddAddrs(t, "lo", netip.MustParseAddr("10.99.0.1"), n) {
		m := &member{t: t, ns: ns, cfg: fleetlink.Config{Name: fmt.Sprintf("gw%d", i+1), Listen: netip.AddrPortFrom(addr, 4223),
			Dir: t.TempDir(), MaxAge: 2 * time.Minute}}
		m.renew()
		list = append(list, m)
		t.Cleanup(m.end)
	}
	return list
}

// begin starts members that know each other, and waits until claims are stored on all of them.
func begin(all []*member) {
	for _, m := range all {
		m.cfg.Peers = lineOf(all)
		m.start()
	}
	settled(all, len(all))
}

// renew gives a member a new key.
func (m *member) renew() {
	file, pin, err := node.NewCredentials(m.cfg.Name)
	if err != nil {
		m.t.Fatal(err)
	}
	m.cfg.Credentials, m.pin = file, pin
}

// lineOf returns FLEET_PEERS of members, with the keys that they have now.
func lineOf(list []*member) (line []fleetlink.Peer) {
	for _, m := range list {
		line = append(line, fleetlink.Peer{Name: m.cfg.Name, Address: m.cfg.Listen, Pin: m.pin})
	}
	return line
}

// reload has a member replaced by one with another FLEET_PEERS, as a reload of the daemon does.
func (m *member) reload(line []fleetlink.Peer) {
	m.t.Helper()
	m.stop()
	m.cfg.Peers = line
	m.start()
}

// stop ends a member as the daemon does.
func (m *member) stop() {
	m.control.Close()
	ended := make(chan struct{})
	go func() { _ = m.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Second): // the grace that the daemon gives
		_ = m.cmd.Process.Kill()
		<-ended
	}
}

// A drive claims at a gateway, one message after the other, those that the other drives claim too.
type drive struct {
	at      *member
	stopped chan struct{}
	ended   chan struct{}
	worst   time.Duration // the longest time for which claims were refused
	why     string
	claimed int
}

// drive begins to claim at each of the members.
func (b *book) drive(t *testing.T, list ...*member) (all []*drive) {
	for _, m := range list {
		d := &drive{at: m, stopped: make(chan struct{}), ended: make(chan struct{})}
		all = append(all, d)
		go d.run(t, b)
	}
	return all
}

func (d *drive) run(t *testing.T, b *book) {
	defer close(d.ended)
	var refused time.Time
	for pace := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-d.stopped:
			return
		case now := <-pace.C:
			key := fmt.Sprint("drive", now.UnixMilli()/20)
			a := d.at.claim(key)
			b.enter(t, key, d.at.cfg.Name, a)
			switch {
			case a.Verdict != fleetlink.Unavailable:
				d.claimed++
				refused = time.Time{}
				continue
			case refused.IsZero():
				refused = now
			}
			if since := time.Since(refused); since > d.worst {
				d.worst, d.why = since, a.Why
			}
		}
	}
}

// refused ends drives and returns the longest time for which one was refused.
func refused(t *testing.T, what string, all []*drive) (worst time.Duration) {
	t.Helper()
	for _, d := range all {
		close(d.stopped)
		<-d.ended
		t.Logf("%s: %s had %d claims decided and was refused for %v at most (%s)", what, d.at.cfg.Name, d.claimed, d.worst.Round(time.Millisecond), d.why)
		worst = max(worst, d.worst)
		if d.claimed == 0 {
			t.Errorf("%s: nothing was decided at %s", what, d.at.cfg.Name)
		}
	}
	return worst
}

// without returns the members but one.
func without(all []*member, one *member) (rest []*member) {
	for _, m := range all {
		if m != one {
			rest = append(rest, m)
		}
	}
	return rest
}

// longest is for how long claims may be refused where a member goes or comes, on a machine that does nothing else.
const longest = 3 * time.Second

// replicas waits until all claims are stored on so many members.
func (m *member) replicas(n int) {
	m.t.Helper()
	if !wait.Until(wait.Timeout, func() bool {
		s := m.status()
		return s.Quorum && s.Votes == len(s.Members) && s.Bucket.Replicas == n && s.Bucket.Current == n
	}) {
		m.t.Fatalf("claims are not stored on %d members: %+v", n, m.status())
	}
}

// settled waits until all are whole and claims are stored on n of them.
func settled(all []*member, n int) {
	var each sync.WaitGroup
	for _, m := range all {
		each.Go(m.whole)
	}
	each.Wait()
	for _, m := range all {
		m.replicas(n)
	}
}

// TestE2EMembers: a fleet of three becomes one of five, which stands the loss of two, and one of three again, which
// stands the loss of one. Claims go on, and what was claimed stays so.
func TestE2EMembers(t *testing.T) {
	netlab.Need(t)
	t.Parallel()
	all := membersOf(t, 5)
	three := all[:3]
	begin(three)
	b := &book{first: make(map[string]string)}
	if missed := b.race(t, "three", 100, three...); missed > 0 {
		t.Errorf("%d of 100 were not claimed", missed)
	}

	for _, m := range three {
		m.reload(lineOf(all))
		m.hears(3)
	}
	drives := b.drive(t, three...)
	for _, m := range all[3:] {
		m.cfg.Peers = lineOf(all)
		m.start()
	}
	settled(all, 5)
	if worst := refused(t, "two more", drives); worst > longest {
		t.Errorf("refused for %v", worst)
	}
	b.race(t, "five", 100, all...)
	for _, m := range all[:2] {
		m.signal(syscall.SIGKILL)
	}
	for _, m := range all[2:] {
		m.ready()
	}
	b.again(t, all[2:])
	for _, m := range all[:2] {
		m.start()
	}
	settled(all, 5)

	shrink(all, 3)
	lead, others := leading(t, three)
	lead.signal(syscall.SIGKILL)
	for _, m := range others {
		m.ready()
	}
	b.again(t, others)
}

// shrink removes the last members, one after the other, until n are left.
func shrink(all []*member, n int) {
	for ; len(all) > n; all = all[:len(all)-1] {
		rest := all[:len(all)-1]
		all[len(rest)].stop()
		for _, m := range rest {
			m.reload(lineOf(rest))
			if len(rest) > 3 { // else the others are no majority of the votes until it is back
				m.hears(len(rest))
			}
		}
		settled(rest, 3)
	}
}

// formerEnv names the program of an earlier release, with which the members of TestE2ERolling begin.
const formerEnv = "FWKNOPD_FORMER_FLEET"

// TestE2ERolling: each of three members is restarted in turn, as an upgrade does, while messages come to the other
// gateways: each is honoured once, and none is refused for long.
func TestE2ERolling(t *testing.T) {
	netlab.Need(t)
	t.Parallel()
	all := membersOf(t, 3)
	for _, m := range all {
		m.program = os.Getenv(formerEnv)
	}
	begin(all)
	b := &book{first: make(map[string]string)}
	best := time.Hour
	for range 2 {
		worst := time.Duration(0)
		for _, m := range all {
			drives := b.drive(t, without(all, m)...)
			m.stop()
			m.program = ""
			m.start()
			settled(all, 3)
			worst = max(worst, refused(t, "restart of "+m.cfg.Name, drives))
		}
		best = min(best, worst)
		if best <= longest {
			break
		}
	}
	if best > longest {
		t.Errorf("refused for %v at best", best)
	}
	b.again(t, all)
}

// TestE2EReplaced: a member whose disk and key are lost is replaced by one of the same name with another key at another
// address. It gets what is stored; the lost key is refused. Another one is replaced by one of another name.
func TestE2EReplaced(t *testing.T) {
	netlab.Need(t)
	t.Parallel()
	list := membersOf(t, 5)
	all := list[:3]
	begin(all)
	b := &book{first: make(map[string]string)}
	b.race(t, "before", 200, all...)

	lost, others := leading(t, all)
	stolen := lost.cfg
	lost.signal(syscall.SIGKILL)
	lost.renew()
	lost.cfg.Dir, lost.cfg.Listen = t.TempDir(), list[3].cfg.Listen
	for _, m := range others {
		m.reload(lineOf(all))
	}
	lost.cfg.Peers = lineOf(all)
	lost.start()
	settled(all, 3)
	b.again(t, all)

	thief := &member{t: t, ns: lost.ns, cfg: stolen}
	thief.start()
	t.Cleanup(func() { thief.signal(syscall.SIGKILL) })
	if a := thief.claim("stolen"); a.Verdict != fleetlink.Unavailable {
		t.Errorf("with the lost key: %+v", a)
	}

	gone, others := others[0], append(others[1:], lost)
	gone.signal(syscall.SIGKILL)
	other := list[4]
	now := append(others, other)
	for _, m := range others {
		m.reload(lineOf(now))
	}
	other.cfg.Peers = lineOf(now)
	other.start()
	settled(now, 3)
	b.again(t, now)
	others[0].signal(syscall.SIGKILL)
	for _, m := range now[1:] {
		m.ready()
	}
	b.again(t, now[1:])
}

// TestE2EEmptied: the disks of a majority are lost at once, then those of all. New messages are claimed when all
// members are there again; no message that was sent before is honoured once more, then or meanwhile.
func TestE2EEmptied(t *testing.T) {
	netlab.Need(t)
	t.Parallel()
	all := membersOf(t, 3)
	begin(all)
	for i, emptied := range [][]*member{all[1:], all} {
		b := &book{first: make(map[string]string)}
		if missed := b.race(t, fmt.Sprint("emptied", i, " "), 100, all...); missed == 100 {
			t.Fatal("nothing was claimed")
		}
		sent := time.Now().Add(ahead) // or before
		for _, m := range emptied {
			m.signal(syscall.SIGKILL)
			m.cfg.Dir = t.TempDir()
		}
		last := emptied[len(emptied)-1]
		for _, m := range emptied[:len(emptied)-1] {
			m.start()
		}
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			b.replay(t, sent, without(all, last))
		}
		last.start()
		for _, m := range all { // the copy of one that kept its disk may need minutes until it is complete
			m.ready()
		}
		b.replay(t, sent, all)
	}
}

// replay claims again what was claimed and was not sent later than that, at each member.
func (b *book) replay(t *testing.T, sent time.Time, all []*member) {
	t.Helper()
	for key, who := range b.first {
		for _, m := range all {
			if m.claimSent(key, sent).Verdict == fleetlink.First {
				t.Fatalf("%s, claimed by %s, is claimed again at %s", key, who, m.cfg.Name)
			}
		}
	}
}
