package daemon

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
)

// publications is what a fleet process in the test is told.
type publications struct {
	mu    sync.Mutex
	seen  map[uint64]string // objects by their numbers
	links []net.Conn
	last  report.Open
}

func (p *publications) TakeEvents(e fleetlink.Events) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, object := range e.Objects {
		p.seen[e.First+uint64(i)] = object
	}
}

func (p *publications) TakeOpen(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, _ = report.ParseOpen([]byte(text))
}

func (p *publications) Tally() fleetlink.EventTally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fleetlink.EventTally{Published: uint64(len(p.seen)), Queue: 1}
}

// until waits until the process was told what f looks for.
func (p *publications) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	wait.For(t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return f()
	})
}

// All events come to the fleet process with their numbers, also when a link breaks, and what is open whenever
// it changes.
func TestPublish(t *testing.T) {
	d := newPublishing(t)
	ours, file, err := fleetlink.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := fleetlink.Conn(file)
	if err != nil {
		t.Fatal(err)
	}
	c := fleetlink.NewControl(ours)
	defer c.Close()
	if err := c.Configure(&fleetlink.Config{}); err != nil {
		t.Fatal(err)
	}
	p := &publications{seen: make(map[uint64]string)}
	m, _, err := fleetlink.NewMonitor(theirs)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.Run(t.Context(), fleetlink.Handler{Link: func(_ fleetlink.Purpose, conn *net.UnixConn) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.links = append(p.links, conn)
			go func() { _ = fleetlink.TakeEvents(t.Context(), conn, p) }()
		}})
	}()
	d.events.feed.Add([]byte("1"))
	stop := d.fleet.publish(t.Context(), c)
	close(d.fleet.begin)
	d.events.feed.Add([]byte("2"))
	p.until(t, "two events and an empty list", func() bool { return len(p.seen) == 2 && p.last.V == 1 && len(p.last.Grants) == 0 })
	p.mu.Lock()
	p.links[0].Close()
	p.mu.Unlock()
	d.events.feed.Add([]byte("3"))
	p.until(t, "the third event", func() bool { return p.seen[1] == "1" && p.seen[2] == "2" && p.seen[3] == "3" && len(p.links) == 2 })
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 1, Expires: time.Now().Add(time.Hour)}
	if err := d.mon.Apply(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	d.fleet.openChanged()
	p.until(t, "the grant", func() bool { return len(p.last.Grants) == 1 && p.last.Grants[0].Src == g.Src })
	wait.For(t, "the counts", func() bool { return d.fleet.events() == fleetlink.EventTally{Published: 3, Queue: 1} })
	stop()
	if got := d.fleet.events(); got != (fleetlink.EventTally{Published: 3, Dropped: 1}) {
		t.Errorf("after the end of the process: %+v", got)
	}
}

// newPublishing returns a daemon whose monitor has a firewall in memory.
func newPublishing(t *testing.T) *daemon {
	t.Helper()
	mon, err := monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder), Policy: monitor.Policy{
		Limits: enforce.Limits{Stanzas: []enforce.Allowance{{
			Stanza: 1, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, AnyPort: true, MaxLifetime: time.Hour,
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mon.Close(context.Background()) })
	s, problems := prepare(files(t, "", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	d := newDaemon(files(t, "", plainStanza), s, "1", io.Discard)
	d.mon = mon
	return d
}
