package monitor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// When the worker is asked, and when it has had its time.
func TestAliveness(t *testing.T) {
	const s = time.Second
	begin := time.Unix(1e9, 0)
	for _, c := range []struct {
		name  string
		steps string // per interval of 5 s: . nothing, a answered, l a load begins, b the monitor is busy with one request, m with one after another, z neither process ran for a minute
		want  string // asked a, silent x
	}{
		{"answers", "aaaaaa", "aaaaaa"},
		{"never answers after its load", "a.....", "a___xx"},
		{"answers late", "a..a...a", "a__a___a"},
		{"loads for a while", "a.l..a.", "a____a_"},
		{"loads too long", "al..........", "a__________x"},
		{"says again and again that it loads", "alllllllllll", "a__________x"},
		{"never ends its first load", "...........", "__________x"},
		{"its answers were not read", "a.bbbb....", "a________x"},
		{"makes requests and never answers", "a.mmmm", "a___xx"},
		{"both were stopped", "a.z....", "a_____x"},
	} {
		a := &aliveness{interval: 5 * s, deadline: 15 * s, loadLimit: 50 * s}
		now := begin
		a.start(now)
		got := ""
		for i := range c.steps {
			switch c.steps[i] {
			case 'b':
				if a.handling.Load() == 0 {
					a.begin()
				}
			case 'm':
				a.end()
				a.begin()
			default:
				a.end()
			}
			switch c.steps[i] {
			case 'a':
				a.answer(stateRunning, now.Add(s))
			case 'l':
				a.answer(stateLoading, now.Add(s))
			case 'z':
				now = now.Add(time.Minute)
			}
			now = now.Add(5 * s)
			ask, err := a.check(now)
			switch {
			case err != nil:
				got += "x"
			case ask:
				got += "a"
			default:
				got += "_"
			}
			if err != nil && !errors.Is(err, errSilent) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A worker whose main loop hangs, one that is stopped, and one that never ends its load
// are killed and restarted; one that answers is not, and only its answers count as a sign
// of life.
func TestSilentWorkers(t *testing.T) {
	for _, c := range []struct{ mode, reason string }{
		{"hangs", "did not answer for"},
		{"stops", "did not answer for"},
		{"loads", "it loads for more than"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel() // they wait
			start, _ := workers(c.mode, "answers")
			r := newRig(t)
			signs := make(chan struct{}, 1000)
			supervised, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() {
				done <- r.Supervise(supervised, Supervision{
					Start: start, Check: 100 * time.Millisecond, Deadline: 2 * time.Second, LoadLimit: 3 * time.Second,
					Alive: func() { signal(signs) },
				})
			}()
			wait.For(t, "the death of the silent worker", func() bool { return r.count(WorkerDied) == 1 })
			if err := r.of(WorkerDied)[0].Err; !errors.Is(err, errSilent) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("died: %v", err)
			}
			for len(signs) > 0 {
				<-signs
			}
			for range 30 { // signs of life of the second, each an answer: more than its deadline
				select {
				case <-signs:
				case <-time.After(wait.Timeout):
					t.Fatal("no sign of life")
				}
			}
			if n := r.count(WorkerDied); n != 1 {
				t.Errorf("%d workers died", n)
			}
			stop()
			<-done
		})
	}
}

// What a worker may not say about itself.
func TestAliveViolations(t *testing.T) {
	for _, text := range []string{
		`{"id":1,"op":"alive"}`, `{"id":1,"op":"alive","body":null}`, `{"id":1,"op":"alive","body":"dead"}`, `{"id":1,"op":"alive","body":7}`, `{"id":1,"op":"alive","body":["loading"]}`,
	} {
		r := newRig(t, func(c *Config) { c.Firewall = new(enforce.Recorder) })
		conn, served := wire(t, r)
		conn.Write(frame(text))
		if err := <-served; !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
