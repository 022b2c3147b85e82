package worker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// honoured is a decision that is announced, and its packet.
func honoured(now time.Time) (*parse.Event, policy.Decision) {
	ev := &parse.Event{Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"), Proto: parse.UDP, Payload: []byte("payload")}
	return ev, policy.Decision{Verdict: policy.Allow, Mode: policy.ModeSPA, Grant: enforce.Grant{Src: ev.Src.Addr(), Expires: now.Add(time.Minute)}}
}

// TestAnnouncement: only what this gateway has honoured with a claim, and what ends, is announced.
func TestAnnouncement(t *testing.T) {
	w := &worker{group: new(group)}
	now := time.Now()
	for name, change := range map[string]func(*parse.Event, *policy.Decision){
		"":              func(*parse.Event, *policy.Decision) {},
		"refused":       func(_ *parse.Event, d *policy.Decision) { d.Verdict = policy.Deny },
		"a sequence":    func(_ *parse.Event, d *policy.Decision) { d.Mode = policy.ModeKnock },
		"of another":    func(_ *parse.Event, d *policy.Decision) { d.Announced = "gw2" },
		"a shadow":      func(_ *parse.Event, d *policy.Decision) { d.Shadow = true },
		"degraded":      func(_ *parse.Event, d *policy.Decision) { d.Degraded = true },
		"a command":     func(_ *parse.Event, d *policy.Decision) { d.Command = new(policy.Command) },
		"without end":   func(_ *parse.Event, d *policy.Decision) { d.Grant.Expires = time.Time{} },
		"a long packet": func(ev *parse.Event, _ *policy.Decision) { ev.Payload = make([]byte, fleetlink.MaxPayload+1) },
	} {
		ev, d := honoured(now)
		change(ev, &d)
		a := w.announcement(now, ev, &d, &spa.Message{Plaintext: []byte("text")})
		if (a != nil) != (name == "") {
			t.Errorf("%q: announced: %v", name, a != nil)
		}
		if a != nil && (a.Check() != nil || a.Payload != "payload" || !a.End.Equal(d.Grant.Expires)) {
			t.Errorf("%+v: %v", a, a.Check())
		}
	}
	ev, d := honoured(now)
	if (&worker{}).announcement(now, ev, &d, &spa.Message{}) != nil {
		t.Error("announced without a group")
	}
}

// TestAnnouncedWhenOpen: a message is announced once, when what it asks for is open; one of another gateway
// is never requested without its digest.
func TestAnnouncedWhenOpen(t *testing.T) {
	out := newRecordWriter(discard{})
	defer out.close()
	m, err := monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder), Policy: monitor.Policy{Limits: enforce.Limits{Stanzas: []enforce.Allowance{
		{Stanza: 1, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, AnyPort: true, MaxLifetime: time.Hour}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	go m.Serve(t.Context(), server)
	w := &worker{client: monitor.NewClient(conn), group: &group{out: out, counts: new(groupCounts), honour: make(chan fleetlink.Announcement, 4)}}
	defer w.client.Close()
	submit := func(p *pending, g enforce.Grant) error {
		done := make(chan error, 1)
		w.submitter(p, false)(g, func(err error) { done <- err })
		return <-done
	}
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: parse.TCP, Number: 22}}, Stanza: 1, Expires: time.Now().Add(time.Minute)}
	other := g
	other.Stanza = 2
	if err := submit(&pending{announce: &fleetlink.Announcement{Payload: "refused"}}, other); !errors.Is(err, monitor.ErrRefused) {
		t.Errorf("of no stanza: %v", err)
	}
	p := &pending{announce: &fleetlink.Announcement{Payload: "open"}}
	for range 2 {
		if err := submit(p, g); err != nil {
			t.Error(err)
		}
	}
	if err := submit(&pending{claimed: time.Now()}, g); !errors.Is(err, monitor.ErrRefused) {
		t.Errorf("announced, and without a digest: %v", err)
	}
	if n := len(w.group.honour); n != 1 || (<-w.group.honour).Payload != "open" {
		t.Errorf("%d are announced", n)
	}
}

// A groupEnd is a fleet process's end of links to a group.
type groupEnd struct {
	heard     chan fleetlink.Heard
	announced chan fleetlink.Announcement
}

func (g *groupEnd) Announce(a fleetlink.Announcement) { g.announced <- a }

func (g *groupEnd) Hear(ctx context.Context, f func(fleetlink.Heard) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-g.heard:
			if err := f(h); err != nil {
				go func() { g.heard <- h }() // the next link has it
				return err
			}
		}
	}
}

// TestGroupLink: a group passes announcements on both ways, drops what is too much, and gets another
// link when the fleet process was started again.
func TestGroupLink(t *testing.T) {
	end := &groupEnd{make(chan fleetlink.Heard), make(chan fleetlink.Announcement, 10)}
	conns := make(chan *net.UnixConn, 10)
	m, err := monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder), Policy: monitor.Policy{
		Files: map[string]func() (*os.File, error){privsep.FileGroup: func() (*os.File, error) {
			conn, theirs, err := fleetlink.Pair()
			if err == nil {
				conns <- conn
				go fleetlink.ServeGroup(context.Background(), conn, end)
			}
			return theirs, err
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.Background())
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	go m.Serve(t.Context(), server)
	client := monitor.NewClient(conn)
	defer client.Close()
	out := newRecordWriter(discard{})
	defer out.close()
	var counts groupCounts
	g := startGroup(client, out, &counts)
	defer g.close()
	now := time.Now().UTC()
	a := fleetlink.Announcement{Payload: "payload", Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"),
		Proto: 17, At: now, End: now.Add(time.Minute)}
	for range 2 {
		end.heard <- fleetlink.Heard{Announcement: a, By: "gw2"}
		select {
		case <-g.awake():
		case <-time.After(wait.Timeout):
			t.Fatal("not awake")
		}
		if h, ok := g.next(); !ok || h.By != "gw2" {
			t.Errorf("%+v", h)
		}
		g.announce(a)
		select {
		case got := <-end.announced:
			if !strings.HasPrefix(got.Payload, "payload") {
				t.Errorf("%+v", got)
			}
		case <-time.After(wait.Timeout):
			t.Fatal("not announced")
		}
		(<-conns).Close()
	}
	g.limit.SetLimit(0)
	g.limit.SetBurst(0)
	end.heard <- fleetlink.Heard{Announcement: a, By: "gw2"}
	select {
	case <-g.awake():
	case <-time.After(wait.Timeout):
		t.Fatal("not awake")
	}
	if _, ok := g.next(); ok {
		t.Error("too much is passed on")
	}
	if got := counts.state(); got != (report.Announced{Sent: 2, Dropped: 1}) {
		t.Errorf("counted %+v", got)
	}
}
