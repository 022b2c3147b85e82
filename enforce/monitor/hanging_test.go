package monitor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// A hanging firewall ends a call only when its context ends, as one does whose program
// hangs.
type hanging struct {
	*enforce.Recorder
	changes, lists atomic.Bool // which calls hang
	changing       atomic.Bool // a change has hung
}

func (h *hanging) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	if !h.changes.Load() {
		return h.Recorder.Change(ctx, open, revoke)
	}
	h.changing.Store(true)
	<-ctx.Done()
	var errs enforce.Errors
	for i := range max(len(open), len(revoke)) {
		errs.Set(i, max(len(open), len(revoke)), ctx.Err())
	}
	return errs[:len(open)], errs[:len(revoke)]
}

func (h *hanging) List(ctx context.Context) ([]enforce.Grant, error) {
	if h.lists.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Recorder.List(ctx)
}

func newHanging(t *testing.T, change ...func(*Config)) (*rig, *hanging) {
	fw := &hanging{Recorder: new(enforce.Recorder)}
	return newRig(t, append(change, func(c *Config) { c.Firewall = fw })...), fw
}

// within fails the test unless f returns within d.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > d {
		t.Errorf("%s took %v", what, took)
	}
}

// While the firewall does not answer, the list is that of the table, and says so; what
// would change the firewall is an error in time.
func TestFirewallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fw := newHanging(t)
		first := ssh(1, time.Now().Add(time.Minute))
		r.mustApply(t, first)
		fw.lists.Store(true)
		listed := func() {
			t.Helper()
			within(t, 2*time.Second, "List", func() {
				open, err := r.List(ctx)
				if !errors.Is(err, enforce.ErrUnconfirmed) || len(open) != 1 || open[0].Key() != first.Key() || open[0].User != "alice" {
					t.Errorf("List = %+v, %v", open, err)
				}
			})
		}
		listed()
		fw.changes.Store(true)
		applying, cancel := context.WithCancel(ctx)
		applied := make(chan error, 1)
		go func() { applied <- r.Apply(applying, ssh(2, time.Now().Add(time.Minute))) }() // holds the monitor
		synctest.Wait()
		listed()
		for name, f := range map[string]func(context.Context) error{
			"revoke":          func(ctx context.Context) error { return r.Revoke(ctx, first) },
			"revoke external": func(ctx context.Context) error { return r.Revoke(ctx, extern(1, time.Now())) },
			"flush":           r.Flush,
		} {
			within(t, time.Second, name, func() {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s = %v", name, err)
				}
			})
		}
		within(t, 0, "Reload, Notify and Len", func() {
			r.Reload(testPolicy)
			r.Notify("reload")
			if n := r.Len(); n != 1 {
				t.Errorf("Len = %d", n)
			}
		})
		fw.lists.Store(false)
		fw.changes.Store(false)
		cancel()
		if err := <-applied; err == nil {
			t.Error("a grant that the firewall did not take is open")
		}
		if open, err := r.List(ctx); err != nil || len(open) != 1 {
			t.Errorf("List = %+v, %v", open, err)
		}
	})
}

// When the daemon is to end, what the firewall does has a moment to finish and is then
// killed: a grant of the worker, and an end that is due.
func TestStopWhileFirewallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fw := newHanging(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Second)))
		fw.changes.Store(true)
		sleep(2 * time.Second) // the loop is in Change now
		within(t, stopGrace, "Close", func() {
			if err := r.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	})
}

// The same for grants of a worker: ctx of New and Serve ends with the daemon.
func TestServeWhileFirewallHangs(t *testing.T) {
	ending, end := context.WithCancel(ctx)
	fw := &hanging{Recorder: new(enforce.Recorder)}
	m, err := New(ending, Config{Firewall: fw, Policy: testPolicy})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	server, conn, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- m.Serve(ending, server) }()
	c := NewClient(conn)
	defer c.Close()
	fw.changes.Store(true)
	result := make(chan error, 1)
	c.Submit(ssh(1, time.Now().Add(time.Minute)), func(err error) { result <- err })
	wait.For(t, "the change of the firewall", fw.changing.Load)
	// Requests that do not need the firewall are answered, those of a new connection too.
	limit, cancel := context.WithTimeout(ctx, wait.Timeout)
	defer cancel()
	for _, c := range []*Client{c, pair(t, &rig{Monitor: m})} {
		if _, err := c.CheckPassword(limit, ssh(1, time.Time{}).Src, "/none", "joe", "x"); !errors.Is(err, ErrRefused) {
			t.Errorf("password: %v", err)
		}
		if err := c.Command(limit, Command{Stanza: 3, Text: "true"}); !errors.Is(err, ErrRefused) {
			t.Errorf("command: %v", err)
		}
	}
	end()
	select {
	case <-served:
	case <-time.After(20 * time.Second):
		t.Fatal("Serve waits for the firewall")
	}
	if err := <-result; err == nil {
		t.Error("granted")
	}
}

// deaf closes nothing before its context ends.
type deaf struct{ *enforce.Recorder }

func (d deaf) Revoke(ctx context.Context, g enforce.Grant) error {
	<-ctx.Done()
	return ctx.Err()
}

// Closing commands that hang do not delay the end; that they have not run is an error.
func TestCloseWhileCommandsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := New(ctx, Config{External: deaf{new(enforce.Recorder)}, Policy: testPolicy, Clock: (&rig{}).clock()})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			if err := m.Apply(ctx, extern(n, time.Now().Add(time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
		within(t, 2*time.Second+commandGrace, "Close", func() {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			if err := m.Close(ctx); err == nil || !strings.Contains(err.Error(), "3 closing commands") {
				t.Errorf("Close = %v", err)
			}
		})
	})
}
