package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
)

// newLiveDaemon returns a daemon without a worker that reloads on request, and its event log.
func newLiveDaemon(t *testing.T) (d *daemon, events string) {
	t.Helper()
	events = filepath.Join(t.TempDir(), "events")
	d = newTestDaemon(t, "ALERTING_METHODS noemail;\nEVENT_LOG "+events+";", io.Discard)
	var err error
	if d.mon, err = monitor.New(t.Context(), monitor.Config{Firewall: new(enforce.Recorder)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.mon.Close(context.Background()); d.events.open("", nil) })
	go d.handleSignals(t.Context(), nil, nil)
	return d, events
}

// ask requests a reload and returns where its verdict comes.
func ask(t *testing.T, d *daemon) <-chan report.Reload {
	verdict := make(chan report.Reload, 1)
	go func() {
		r, err := d.reloadOnRequest(t.Context())
		if err != nil {
			t.Error(err)
		}
		verdict <- r
	}()
	return verdict
}

// says has the worker say something.
func says(t *testing.T, d *daemon, kind byte, v any) {
	t.Helper()
	content, err := codec.Encode(nil, v)
	if err == nil {
		err = d.handleRecord(kind, content)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, from <-chan report.Reload) report.Reload {
	t.Helper()
	select {
	case r := <-from:
		return r
	case <-time.After(wait.Timeout):
		t.Fatal("no verdict")
	}
	return report.Reload{}
}

func TestReloadOnRequest(t *testing.T) {
	d, events := newLiveDaemon(t)
	loads := func(n int) {
		t.Helper()
		wait.For(t, "a load", func() bool { return d.conf().workerConfig.Generation == n })
	}
	first, second := ask(t, d), ask(t, d)
	loads(2)
	says(t, d, privsep.RecordTaken, report.Taken{Generation: 1})
	says(t, d, privsep.RecordTaken, report.Taken{Generation: 2})
	for _, v := range []<-chan report.Reload{first, second} {
		if r := get(t, v); r.Verdict != report.ReloadLoaded || r.Stanzas != 1 {
			t.Errorf("two at a time: %+v", r)
		}
	}

	v := ask(t, d)
	loads(3)
	says(t, d, privsep.RecordTaken, report.Taken{Generation: 3, Error: "UDP: busy\n"})
	if r := get(t, v); r.Verdict != report.ReloadNotApplied || r.Error != "UDP: busy?" || d.reported.notApplied() != r.Error {
		t.Errorf("the worker keeps its own: %+v", r)
	}
	says(t, d, privsep.RecordTaken, report.Taken{Generation: 3}) // the next worker
	if text := d.reported.notApplied(); text != "" {
		t.Errorf("still not applied: %s", text)
	}

	access, before := d.conf().Files[1], d.conf()
	if err := os.WriteFile(access, []byte(plainStanza+"NONSENSE 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := get(t, ask(t, d))
	if r.Verdict != report.ReloadRefused || !strings.Contains(r.Problems.Error(), access+":") || !strings.Contains(r.Problems.Error(), "unknown keyword") {
		t.Errorf("refused: %+v", r)
	}
	if d.conf() != before {
		t.Error("the refused configuration is in force")
	}
	if d.lastReload == nil || d.lastReload.Verdict != report.ReloadRefused || !d.loaded.Before(d.lastReload.Time) {
		t.Errorf("kept: %+v, loaded %v", d.lastReload, d.loaded)
	}
	text, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	for _, verdict := range []string{"loaded", "not_applied", "refused"} {
		if !strings.Contains(string(text), `"event_type":"reload","verdict":"`+verdict+`"`) {
			t.Errorf("no event of %s:\n%s", verdict, text)
		}
	}
}

// A keyword that only a restart changes is named in the verdict as in the log.
func TestReloadOfWhatNeedsARestart(t *testing.T) {
	d, _ := newLiveDaemon(t)
	file := d.conf().Files[0]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []string{"FIREWALL_TYPE nftables;\n", "FIREWALL_TYPE nftables;\n", "FIREWALL_TYPE nftables;\nMAX_HOPS 21;\n", ""} {
		if err := os.WriteFile(file, append(slices.Clone(text), change...), 0o600); err != nil {
			t.Fatal(err)
		}
		r := d.reload(false)
		if said := strings.Contains(r.Problems.Error(), "warning: FIREWALL_TYPE has changed: that counts from the next start on"); r.Verdict != report.ReloadLoaded || said != (change != "") {
			t.Errorf("reload %d: %+v", i, r)
		}
	}
}

// At the end of the daemon who waits for a reload gets an error.
func TestReloadAtTheEnd(t *testing.T) {
	d := newTestDaemon(t, "", io.Discard) // without the loop that reloads
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.reloadOnRequest(ctx); !errors.Is(err, errEnding) {
		t.Errorf("%v", err)
	}
}

// A worker that says nothing is not waited for without end.
func TestSilentWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkerReports()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), takeTimeout)
		defer cancel()
		w.take(report.Taken{Generation: 1})
		if _, ok := w.awaitTaken(ctx, 2); ok || time.Since(begin) != takeTimeout {
			t.Errorf("%v after %v", ok, time.Since(begin))
		}
		w.count(report.State{Records: 1}) // of an earlier request
		if _, ok := w.awaitCount(ctx, func() {}); ok {
			t.Error("old counters count as new")
		}
		if n, ok := w.awaitCount(t.Context(), func() { w.count(report.State{Records: 2}) }); !ok || n.Records != 2 {
			t.Errorf("%+v, %v", n, ok)
		}
	})
}

func TestStatusOfTheDaemon(t *testing.T) {
	d, _ := newLiveDaemon(t)
	for range 2 {
		if _, err := d.health.count(func() (*monitor.Worker, error) { return &monitor.Worker{Pid: 4711}, nil })(); err != nil {
			t.Fatal(err)
		}
	}
	var before report.Status
	if d.health.fill(&before); before.WorkerPID != 4711 || before.Restarts != 1 {
		t.Errorf("%+v", before)
	}
	d.ready.Store(true)
	if err := d.workerEnded(newWorkerExit(errors.New("signal: killed"), "a\x1b]0;owned\x07")); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	g := grant(nil)
	d.handleEvent(monitor.Event{Time: at, Kind: monitor.Failed, Err: errors.New("no buffer space")})
	g.External = &enforce.External{}
	d.handleEvent(monitor.Event{Time: at, Kind: monitor.Failed, Grant: g, Err: external.ErrFailed})
	s := d.status(t.Context())
	if s.WorkerPID != 0 || s.Restarts != 1 || s.LastEnd != "signal: killed: a?]0;owned?" || s.Counters != nil {
		t.Errorf("worker: %+v", s)
	}
	if f := s.Firewall; f.Error != "no buffer space" || !f.ErrorTime.Equal(at) || f.Unconfirmed != "" {
		t.Errorf("firewall: %+v", f)
	}
	if s.Stanzas != 1 || !filepath.IsAbs(s.Config) || s.PID != os.Getpid() || !s.Running || s.Reload != nil {
		t.Errorf("%+v", s)
	}
}
