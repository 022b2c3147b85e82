package worker

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
	"fwknopd/policy"
)

// A fleetStandIn is a monitor that hands out links to a fleet process of its own.
type fleetStandIn struct {
	*claims
	mu     sync.Mutex // of what follows
	answer fleetlink.Answer
	gone   bool // there is no fleet process
	opened int
	conns  []*net.UnixConn
}

// set changes what is answered.
func (s *fleetStandIn) set(gone bool, a fleetlink.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.answer = gone, a
}

// asked returns how often a link was asked for.
func (s *fleetStandIn) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func newFleetStandIn(t *testing.T) *fleetStandIn {
	t.Helper()
	s := &fleetStandIn{answer: fleetlink.Answer{Verdict: fleetlink.First}}
	m, err := monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder), Policy: monitor.Policy{
		Files: map[string]func() (*os.File, error){privsep.FileFleet: s.open}}})
	if err != nil {
		t.Fatal(err)
	}
	server, conn, err := monitor.Pair()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- m.Supervise(ctx, monitor.Supervision{Start: func() (*monitor.Worker, error) {
			return &monitor.Worker{Conn: server, Wait: func() error { <-ctx.Done(); return nil }, Kill: func() error { return nil }}, nil
		}})
	}()
	client := monitor.NewClient(conn)
	if err := client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.claims = newClaims(client)
	t.Cleanup(func() {
		s.close()
		cancel()
		<-ended
		client.Close()
		m.Close(context.Background())
	})
	return s
}

func (s *fleetStandIn) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	if s.gone {
		return nil, errors.New("the fleet process does not run")
	}
	conn, theirs, err := fleetlink.Pair()
	if err != nil {
		return nil, err
	}
	s.conns = append(s.conns, conn)
	go fleetlink.Serve(context.Background(), conn, s)
	return theirs, nil
}

// Claim implements fleetlink.Claims.
func (s *fleetStandIn) Claim(context.Context, fleetlink.Claim) fleetlink.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer
}

// TestClaims: a worker gets a link with its first claim and another one when the fleet process was
// started again; without a process claims fail at once, and the monitor is not asked for each.
func TestClaims(t *testing.T) {
	s := newFleetStandIn(t)
	claim := func() policy.ClaimAnswer { return s.claim(policy.Claim{Sent: time.Now()}) }
	if a := claim(); !a.First || s.asked() != 1 {
		t.Fatalf("%+v, %d links", a, s.asked())
	}
	s.set(false, fleetlink.Answer{Verdict: fleetlink.Taken, By: "gw2", At: time.Unix(1, 0).UTC()})
	if a := claim(); !a.Taken || a.By != "gw2" || !a.At.Equal(time.Unix(1, 0)) {
		t.Errorf("%+v", a)
	}
	s.set(false, fleetlink.Answer{Why: "no quorum"})
	if a := claim(); a != (policy.ClaimAnswer{Why: "no quorum"}) || s.asked() != 1 {
		t.Errorf("%+v, %d links", a, s.asked())
	}
	s.set(true, fleetlink.Answer{})
	s.mu.Lock()
	s.conns[0].Close()
	s.mu.Unlock()
	wait.For(t, "the end of the link", func() bool { return s.link.Ended() })
	for range 100 {
		if a := claim(); a.First || a.Taken || a.Why == "" {
			t.Fatalf("%+v", a)
		}
	}
	if s.asked() > 10 { // one a second
		t.Errorf("the monitor was asked %d times", s.asked()-1)
	}
	s.set(false, fleetlink.Answer{Verdict: fleetlink.First})
	wait.For(t, "a claim by another link", func() bool { return claim().First })
	if c := s.state(); c.First != 2 || c.Taken != 1 || c.Unavailable < 101 || len(c.Took) == 0 {
		t.Errorf("%+v", c)
	}
}
