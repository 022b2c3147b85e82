package monitor

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fwknopd/enforce"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(workerMode); mode != "" {
		runWorker(mode)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

// testPolicy allows tcp/22 and udp/53 to every client for an hour, in stanza 9 without end.
var testPolicy = Policy{Limits: enforce.Limits{Stanzas: []enforce.Allowance{
	{Stanza: 3, Source: anywhere, Exclude: prefixes("192.0.2.66/32"), MaxLifetime: time.Hour,
		Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}, {Proto: enforce.UDP, Number: 53}}},
	{Stanza: 9, Source: anywhere, AnyPort: true, Permanent: true},
	{Stanza: 12, Source: anywhere, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, MaxLifetime: time.Hour, External: []enforce.ExternalLimit{
		{Open: []enforce.Word{{{Text: "/bin/open"}}, {{Value: enforce.ClientAddr}}}, Close: []enforce.Word{{{Text: "/bin/close"}}, {{Value: enforce.ClientAddr}}}, Timeout: time.Second},
	}},
}}}

var anywhere = prefixes("0.0.0.0/0", "::/0")

func prefixes(texts ...string) (ps []netip.Prefix) {
	for _, text := range texts {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}

// ssh is a grant of stanza 3 for the n-th client.
func ssh(n int, end time.Time) enforce.Grant {
	src := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})
	return enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: end, Stanza: 3, User: "alice"}
}

// A journal keeps events.
type journal struct {
	mu  sync.Mutex
	all []Event
}

func (j *journal) add(ev Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, ev)
}

// of returns the events of one kind.
func (j *journal) of(kind Kind) (evs []Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ev := range j.all {
		if ev.Kind == kind {
			evs = append(evs, ev)
		}
	}
	return evs
}

func (j *journal) count(kind Kind) int { return len(j.of(kind)) }

// A rig is a monitor in a bubble of synctest, with a wall clock that tests can set.
type rig struct {
	*Monitor
	*journal
	fw    *enforce.Recorder
	ext   *enforce.Recorder
	step  time.Duration
	steps chan struct{}
	mu    sync.Mutex
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{journal: new(journal), fw: new(enforce.Recorder), ext: new(enforce.Recorder), steps: make(chan struct{}, 1)}
	cfg := Config{Firewall: r.fw, External: r.ext, Policy: testPolicy, Events: r.journal.add, Clock: r.clock()}
	for _, f := range change {
		f(&cfg)
	}
	m, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Monitor = m
	t.Cleanup(func() { // may be the second time
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) clock() *Clock {
	start := time.Now()
	return &Clock{
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return time.Now().Add(r.step)
		},
		Elapsed: func() time.Duration { return time.Since(start) },
		Steps:   r.steps,
	}
}

// set is settimeofday.
func (r *rig) set(step time.Duration) {
	r.mu.Lock()
	r.step += step
	r.mu.Unlock()
	r.steps <- struct{}{}
	synctest.Wait()
}

func (r *rig) now() time.Time { return r.clock().Now() }

func (r *rig) isOpen(t testing.TB, g enforce.Grant) bool {
	t.Helper()
	open, err := r.fw.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return !slices.ContainsFunc(g.Split(), func(part enforce.Grant) bool {
		return !slices.ContainsFunc(open, func(o enforce.Grant) bool { return o.Key() == part.Key() })
	})
}

func (r *rig) mustApply(t testing.TB, g enforce.Grant) {
	t.Helper()
	if err := r.Apply(ctx, g); err != nil {
		t.Fatal(err)
	}
}

func pair(t testing.TB, r *rig) *Client {
	t.Helper()
	server, client, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, server) }()
	c := NewClient(client)
	t.Cleanup(func() {
		c.Close()
		<-c.Done()
		<-served
	})
	return c
}

// apply submits g and waits for the outcome.
func apply(c *Client, g enforce.Grant) error {
	outcome := make(chan error, 1)
	c.Submit(g, func(err error) { outcome <- err })
	return <-outcome
}

func TestOverSocket(t *testing.T) {
	r := newRig(t)
	c := pair(t, r)
	g := ssh(1, time.Now().Add(time.Minute))
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := apply(c, g); err != nil {
		t.Fatal(err)
	}
	if !r.isOpen(t, g) {
		t.Error("not open")
	}
	open, err := r.List(ctx)
	if err != nil || len(open) != 1 || open[0].Key() != g.Key() || open[0].User != "alice" || !open[0].Expires.Equal(g.Expires) {
		t.Errorf("List = %+v, %v", open, err)
	}
	if err := r.Revoke(ctx, g); err != nil {
		t.Fatal(err)
	}
	if r.isOpen(t, g) || r.Len() != 0 {
		t.Error("still open")
	}
}

// TestRevoke closes one grant and leaves the others.
func TestRevoke(t *testing.T) {
	r := newRig(t)
	end := time.Now().Add(time.Minute)
	for n := range 3 {
		r.mustApply(t, ssh(n, end))
	}
	for range 2 { // the second time it is not open
		if err := r.Revoke(ctx, ssh(1, time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	open, err := r.List(ctx)
	if err != nil || len(open) != 2 || open[0].Key() != ssh(0, end).Key() || open[1].Key() != ssh(2, end).Key() {
		t.Errorf("List = %+v, %v", open, err)
	}
}

// halfBroken is a firewall that opens for clients of 10.0.0.0/8 alone, and says so only when
// it comes to others.
type halfBroken struct{ *enforce.Recorder }

func (f halfBroken) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	_, revoked = f.Recorder.Change(ctx, nil, revoke)
	opened = make([]error, len(open))
	for i, g := range open {
		for _, part := range g.Split() {
			if !prefixes("10.0.0.0/8")[0].Contains(part.Src) {
				opened[i] = enforce.ErrInvalid
				continue
			}
			f.Recorder.Change(ctx, []enforce.Grant{part}, nil)
		}
	}
	return opened, revoked
}

// TestTwoSourcesOrNone: where a firewall opens for one of two clients, the monitor closes
// that again, but not what was open before.
func TestTwoSourcesOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := halfBroken{new(enforce.Recorder)}
		p := testPolicy
		p.Limits.Stanzas = slices.Clone(p.Limits.Stanzas)
		p.Limits.Stanzas[0].Two = true
		r := newRig(t, func(c *Config) { c.Firewall, c.Policy = fw, p })
		end := time.Now().Add(time.Minute)
		r.mustApply(t, ssh(1, end))
		for n := 1; n <= 2; n++ {
			two := ssh(n, end)
			two.Also = prefixes("2001:db8::7/128")[0]
			if err := r.Apply(ctx, two); err == nil {
				t.Error("half of a grant is taken for it")
			}
		}
		open, err := fw.List(ctx)
		if err != nil || len(open) != 1 || open[0].Key() != ssh(1, end).Key() || r.Len() != 1 {
			t.Errorf("open: %v, %v", open, err)
		}
	})
}
