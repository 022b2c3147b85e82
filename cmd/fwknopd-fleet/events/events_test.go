package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

func TestMain(m *testing.M) { fleetlab.Main(m) }

// A gateway is a member of a fleet in the test, with its part of the events.
type gateway struct {
	*node.Node
	*Store
	*Publisher
	end func()
}

// configs returns the configurations of n members on the loopback interface.
func configs(t *testing.T, n int) []fleetlink.Config {
	t.Helper()
	fleetlab.NoRace(t, n)
	list, peers := make([]fleetlink.Config, n), make([]fleetlink.Peer, n)
	for i := range list {
		name := fmt.Sprintf("gw%d", i+1)
		file, pin, err := node.NewCredentials(name)
		if err != nil {
			t.Fatal(err)
		}
		peers[i] = fleetlink.Peer{Name: name, Address: fleetlab.Address(), Pin: pin}
		list[i] = fleetlink.Config{Name: name, Listen: peers[i].Address, Peers: peers, Dir: t.TempDir(), Credentials: file, MaxAge: time.Minute}
	}
	return list
}

// open starts a member, until end is called or the test ends.
func open(t *testing.T, cfg fleetlink.Config) *gateway {
	t.Helper()
	n, err := node.Open(cfg, node.Options{Log: func(text string) { t.Logf("%s: %s", cfg.Name, text) }})
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(n)
	g := &gateway{Node: n, Store: s, Publisher: NewPublisher(s, func(text string) { t.Logf("%s: %s", cfg.Name, text) })}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Run(ctx)
	}()
	closed := false
	g.end = func() {
		if !closed {
			cancel()
			<-ended
			n.Close()
		}
		closed = true
	}
	t.Cleanup(g.end)
	return g
}

// monitor returns the monitor's end of a link to a gateway.
func (g *gateway) monitor(t *testing.T) fleetlink.Publisher {
	t.Helper()
	ours, theirs := pair(t)
	go func() { _ = fleetlink.TakeEvents(t.Context(), theirs, g.Publisher) }()
	p := fleetlink.NewPublisher(ours)
	t.Cleanup(func() { p.Close() })
	return p
}

func pair(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	ours, file, err := fleetlink.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = fleetlink.Conn(file); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// ask sends a query to a gateway.
func (g *gateway) ask(t *testing.T, q fleetlink.Query) *fleetlink.Reading {
	t.Helper()
	ours, theirs := pair(t)
	go func() { _ = fleetlink.ServeReader(t.Context(), theirs, g.Store) }()
	r, err := fleetlink.Ask(ours, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// all returns all answers to a query.
func (g *gateway) all(t *testing.T, q fleetlink.Query) (list []fleetlink.Stored, err error) {
	t.Helper()
	r := g.ask(t, q)
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, s)
	}
}

// events returns the events of a query as text, "gateway number object" each.
func (g *gateway) events(t *testing.T, q fleetlink.Query) (list []string) {
	t.Helper()
	stored, err := g.all(t, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stored {
		for i, object := range s.Objects {
			list = append(list, fmt.Sprintf("%s %d %s", s.Gateway, s.First+uint64(i), object))
		}
	}
	return list
}

// send publishes objects with the numbers from first to last.
func send(t *testing.T, p fleetlink.Publisher, first, last uint64) {
	t.Helper()
	for n := first; n <= last; n++ {
		if err := p.Events(fleetlink.Events{Run: 1, First: n, Objects: []string{fmt.Sprintf(`{"n":%d}`, n)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func (g *gateway) published(t *testing.T, n uint64) {
	t.Helper()
	if !wait.Until(wait.Timeout, func() bool { return g.Tally().Published == n }) {
		t.Fatalf("%s: %+v, want %d published", g.Name(), g.Tally(), n)
	}
}

var hour = fleetlink.Query{Since: 3600}

func TestEventsOfTwoGateways(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	all := make([]*gateway, len(list))
	for i, cfg := range slices.Backward(list) { // those before it connect to a member
		all[i] = open(t, cfg)
	}
	for i, g := range all[:2] {
		send(t, g.monitor(t), 1, 3)
		g.published(t, 3)
		if got := all[2].events(t, fleetlink.Query{Since: 3600, Gateway: g.Name()}); len(got) != 3 || got[0] != g.Name()+` 1 {"n":1}` {
			t.Errorf("%d: %q", i, got)
		}
	}
	if got := all[0].events(t, hour); len(got) != 6 || !strings.HasPrefix(got[0], "gw1 1") || !strings.HasPrefix(got[5], "gw2 3") {
		t.Errorf("all: %q", got)
	}
	if _, err := all[0].all(t, fleetlink.Query{Since: 3600, Gateway: "gw9"}); err == nil || err.Error() != "no gateway gw9 is known, but gw1, gw2, gw3" {
		t.Errorf("unknown: %v", err)
	}
	r := all[1].ask(t, fleetlink.Query{Follow: true, Gateway: "gw3"})
	followed := make(chan fleetlink.Stored, 1)
	go func() {
		if s, err := r.Next(); err == nil {
			followed <- s
		}
	}()
	wait.For(t, "a followed event", func() bool { // those published before the reader begins are not
		n := all[2].Tally().Published + 1
		send(t, all[2].monitor(t), n, n)
		all[2].published(t, n)
		select {
		case s := <-followed:
			if s.Gateway != "gw3" || len(s.Objects) != 1 {
				t.Errorf("followed: %+v", s)
			}
			return true
		default:
			return false
		}
	})
}

// Who follows reads a stream that was removed and made anew from its beginning, also with fewer events than
// were read of the former one.
func TestFollowedAnew(t *testing.T) {
	t.Parallel()
	g := open(t, configs(t, 1)[0])
	p := g.monitor(t)
	send(t, p, 1, 5)
	g.published(t, 5)
	r := g.ask(t, fleetlink.Query{Follow: true, Since: 3600})
	var objects []string
	follow := func(from, to int) {
		t.Helper()
		for n := from; n <= to; n++ {
			for len(objects) == 0 {
				s, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				objects = s.Objects
			}
			if want := fmt.Sprintf(`{"n":%d}`, n); objects[0] != want {
				t.Fatalf("followed %s, want %s", objects[0], want)
			}
			objects = objects[1:]
		}
	}
	follow(1, 5)
	if err := g.JetStream().DeleteStream(t.Context(), eventStream.Name); err != nil {
		t.Fatal(err)
	}
	send(t, p, 6, 8)
	g.published(t, 8)
	follow(6, 8)
}

// What is published while there is no quorum is stored when there is one again, each once and in order.
func TestPartition(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	all := make([]*gateway, len(list))
	for i, cfg := range slices.Backward(list) { // those before it connect to a member
		all[i] = open(t, cfg)
	}
	p := all[0].monitor(t)
	send(t, p, 1, 5)
	if err := p.Open([]byte(`{"v":1}`)); err != nil {
		t.Fatal(err)
	}
	all[0].published(t, 5)
	wait.For(t, "what is open", func() bool {
		got, err := all[0].all(t, fleetlink.Query{Open: true, Gateway: "gw1"})
		return err == nil && len(got) == 1 && got[0].Open == `{"v":1}` && got[0].Ago < time.Minute
	})
	all[1].end()
	all[2].end()
	send(t, p, 6, 50)
	wait.For(t, "the queue", func() bool { return all[0].Tally().Queue == 45 })
	start := time.Now()
	if _, err := all[0].all(t, hour); err == nil || time.Since(start) > 2*answerTime {
		t.Errorf("without a quorum: %v", err)
	}
	open(t, list[1])
	last := open(t, list[2])
	all[0].published(t, 50)
	wait.For(t, "the last one to read", func() bool {
		_, err := last.all(t, hour)
		return err == nil
	})
	got := last.events(t, hour)
	for i := range got {
		if got[i] != fmt.Sprintf(`gw1 %d {"n":%[1]d}`, i+1) {
			t.Fatalf("event %d is %q", i, got[i])
		}
	}
	if tally := all[0].Tally(); len(got) != 50 || tally != (fleetlink.EventTally{Published: 50}) {
		t.Errorf("%d events, %+v", len(got), tally)
	}
}

// A message belongs to the gateway in its subject, whatever it says, and one that no gateway publishes
// harms no reader.
func TestHostile(t *testing.T) {
	t.Parallel()
	g := open(t, configs(t, 1)[0])
	send(t, g.monitor(t), 1, 1)
	g.published(t, 1)
	js := g.JetStream()
	for id, data := range map[string]string{
		"1.7.1.gw1": `{"gateway":"gw1"}`, "": "\x1b]0;x\a", "x": "{", "1.": "", "99999999999999999999999.1.": "a",
		"1.2.3.": strings.Repeat("\n", fleetlink.MaxObjects), "1.3.3.": strings.Repeat("x", fleetlink.MaxObjects+1), "-1.-1.": "b",
	} {
		m := &nats.Msg{Subject: eventSubjects + "gw2", Data: []byte(data), Header: nats.Header{}}
		m.Header.Set(header, id)
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
	}
	if _, err := js.Publish(t.Context(), eventSubjects+"gw2", make([]byte, fleetlink.MaxMessage)); err == nil {
		t.Error("a message of 64 KiB is stored")
	}
	stored, err := g.all(t, hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stored[1:] {
		if s.Gateway != "gw2" {
			t.Errorf("%s is shown as of %s", s.Objects[0], s.Gateway)
		}
	}
	if len(stored) != 9 {
		t.Errorf("%d messages", len(stored))
	}
}

// TestForeseenEvents: a gateway that publishes first under the id of another one's events keeps none of them
// from being stored.
func TestForeseenEvents(t *testing.T) {
	t.Parallel()
	g := open(t, configs(t, 1)[0])
	p := g.monitor(t)
	send(t, p, 1, 1)
	g.published(t, 1)
	first, err := g.all(t, hour)
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: eventSubjects + "gw2", Data: []byte("{}"), Header: nats.Header{}}
	m.Header.Set(header, idOf("gw1", &fleetlink.Events{Run: first[0].Run, First: 2, Objects: []string{""}}))
	if _, err := g.JetStream().PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	send(t, p, 2, 2)
	g.published(t, 2)
	if got := g.events(t, fleetlink.Query{Since: 3600, Gateway: "gw1"}); len(got) != 2 || got[1] != `gw1 2 {"n":2}` {
		t.Errorf("%q", got)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	g := open(t, configs(t, 1)[0])
	send(t, g.monitor(t), 1, 1)
	g.published(t, 1)
	for _, want := range []string{"fwknop_events", "fwknop_open"} {
		if want == "fwknop_open" {
			if err := g.monitor(t).Open([]byte("{}")); err != nil {
				t.Fatal(err)
			}
			wait.For(t, "what is open", func() bool {
				got, err := g.all(t, fleetlink.Query{Open: true})
				return err == nil && len(got) == 1 && !got[0].Stored.IsZero()
			})
		}
		s, err := g.JetStream().Stream(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if c := s.CachedInfo().Config; c.MaxAge != 7*24*time.Hour || c.MaxBytes <= 0 || c.MaxMsgSize <= 0 {
			t.Errorf("%s is kept for %v, %d bytes", want, c.MaxAge, c.MaxBytes)
		}
	}
}

// Without a quorum the queue is bounded: the oldest are dropped, and counted, but for those that are being
// published.
func TestQueue(t *testing.T) {
	p := NewPublisher(nil, func(string) {})
	object := strings.Repeat("x", 10_000)
	batch := func(first uint64) fleetlink.Events {
		return fleetlink.Events{Run: 7, First: first, Objects: []string{object, object}}
	}
	const n = 2000
	p.TakeEvents(batch(1))
	if e, _ := p.head(); e.First != 1 {
		t.Fatalf("the first: %+v", e)
	}
	for i := uint64(1); i < n/2; i++ {
		p.TakeEvents(batch(2*i + 1))
	}
	p.TakeEvents(batch(n + 11)) // the monitor has left 10 out
	tally := p.Tally()
	if tally.Queue+tally.Dropped != n+2+10 || tally.Queue > maxQueue/10_000 || tally.Queue < maxQueue/20_000 {
		t.Errorf("%+v", tally)
	}
	p.sent(2, nil)
	e, _ := p.head()
	if got := p.Tally(); got.Published != 2 || got.Queue != tally.Queue-2 || e.First <= 3 || len(e.Objects) < 2 {
		t.Errorf("%+v after %+v, then %d", got, tally, e.First)
	}
	for last := uint64(0); ; p.sent(uint64(len(e.Objects)), nil) {
		if e, _ = p.head(); len(e.Objects) == 0 {
			break
		}
		if e.First <= last {
			t.Fatalf("%d after %d", e.First, last)
		}
		last = e.First
	}
	if got := p.Tally(); got.Queue != 0 || got.Dropped != tally.Dropped || got.Published != tally.Queue || p.bytes != 0 {
		t.Errorf("at the end %+v, %d bytes", got, p.bytes)
	}
}

// In an outside cluster the permissions of FLEET.md are enough, and keep a gateway from the names of others.
func TestOutside(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	var all []*gateway
	for _, name := range []string{"gw1", "gw2"} {
		g := open(t, fleetlink.Config{Name: name, Servers: []string{"nats://" + name + ":" + name + "@" + address}, MaxAge: time.Minute})
		p := g.monitor(t)
		send(t, p, 1, 2)
		g.published(t, 2)
		if err := p.Open([]byte(`{"v":1}`)); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	if got := all[1].events(t, hour); len(got) != 4 {
		t.Errorf("%q", got)
	}
	wait.For(t, "what is open", func() bool {
		got, err := all[1].all(t, fleetlink.Query{Open: true, Gateway: "gw1"})
		return err == nil && got[0].Open == `{"v":1}`
	})
	all[1].end()
	again := open(t, fleetlink.Config{Name: "gw1", Servers: []string{"nats://gw1:gw1@" + address}, MaxAge: time.Minute})
	wait.For(t, "one that has ended to be known", func() bool {
		s := fleetlink.Status{Members: again.Members()}
		s.Know(again.Known(t.Context()))
		return len(s.Members) == 2 && s.Members[1].Name == "gw2" && s.Members[1].Heard.IsZero()
	})
	for _, subject := range []string{eventSubjects + "gw2", openSubjects + "gw2"} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // what is denied is not answered
		if _, err := all[0].JetStream().Publish(ctx, subject, []byte("{}")); err == nil {
			t.Errorf("gw1 publishes %s", subject)
		}
		cancel()
	}
}
