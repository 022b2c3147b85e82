package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/scrape"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/policy/conf"
)

// A metricsListener is where the metrics are offered. Only open, serve, move and close use
// it, one at a time.
type metricsListener struct {
	listener *scrape.Listener // nil: nowhere
	at       conf.Endpoint
}

// openMetrics listens at METRICS_LISTEN. No request is answered before serveMetrics.
func (d *daemon) openMetrics() error {
	s := d.conf().Server
	if s.Metrics.IsZero() {
		return nil
	}
	l, err := listenMetrics(s)
	if err != nil {
		return fmt.Errorf("METRICS_LISTEN: %w", err)
	}
	d.scrapes = metricsListener{l, s.Metrics}
	return nil
}

// listenMetrics listens at METRICS_LISTEN, and lets EVENT_LOG_GROUP connect.
func listenMetrics(s *conf.Server) (*scrape.Listener, error) {
	l, err := scrape.Listen(s.Metrics)
	if err != nil {
		return nil, err
	}
	if err := admitScraper(s); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Modes of the socket of METRICS_LISTEN.
const (
	ownerConnects os.FileMode = 0o600
	groupConnects os.FileMode = 0o660
)

// admitScraper gives the socket to EVENT_LOG_GROUP, or takes it from that of an earlier
// configuration. Only root can replace what is there: [scrape.Listen] has looked.
func admitScraper(s *conf.Server) error {
	path := s.Metrics.Path
	switch {
	case path == "":
		return nil
	case s.EventLogGroup == "":
		return os.Chmod(path, ownerConnects)
	}
	gid, err := command.GroupID(s.EventLogGroup)
	if err != nil {
		return err
	}
	if err := os.Lchown(path, -1, int(gid)); err != nil {
		return err
	}
	if err := os.Chmod(path, groupConnects); err != nil {
		return err
	}
	r := readers{group: s.EventLogGroup, folder: resolved(s.RunDir)}
	return r.admitToFolder(resolved(filepath.Dir(path)), int(gid))
}

// resolved returns the path of a folder without symbolic links, such as that from /var/run to
// /run.
func resolved(folder string) string {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		return real
	}
	return filepath.Clean(folder)
}

// serveMetrics begins to answer requests, and logs the address.
func (d *daemon) serveMetrics() {
	if l := d.scrapes.listener; l != nil {
		l.Serve(d.metricsText)
		d.logf(info, "metrics are offered at %s", d.scrapes.at)
	}
}

// moveMetrics follows METRICS_LISTEN after a reload. If the new place cannot be had, the old
// one stays, as the problem states; nil: there is none.
func (d *daemon) moveMetrics() *conf.Problem {
	s, old := d.conf().Server, d.scrapes
	var err error
	switch {
	case s.Metrics == old.at && old.listener != nil:
		err = admitScraper(s)
	case s.Metrics == old.at:
	case s.Metrics.IsZero():
		d.closeMetrics()
		d.logf(info, "metrics are no longer offered at %s", old.at)
	default:
		err = d.replaceMetrics(s)
	}
	if err == nil {
		return nil
	}
	stays := "no metrics are offered"
	if d.scrapes.listener != nil {
		stays = "they are still offered at " + d.scrapes.at.String()
	}
	p := conf.Problem{Keyword: "METRICS_LISTEN", Text: fmt.Sprintf("%v: %s", err, stays), Severity: conf.Warning}
	d.logf(warning, "%s", p)
	return &p
}

// replaceMetrics listens at METRICS_LISTEN in place of the old listener, which stays after an
// error. One of two addresses with the same port may be every address: the old one is then
// closed first.
func (d *daemon) replaceMetrics(s *conf.Server) error {
	old := d.scrapes
	clash := old.listener != nil && old.at.Addr.IsValid() && old.at.Addr.Port() == s.Metrics.Addr.Port()
	if clash {
		d.closeMetrics()
	}
	l, err := listenMetrics(s)
	at := s.Metrics
	switch {
	case err == nil:
		d.closeMetrics()
	case !clash:
		return err
	default:
		var again error
		if l, again = scrape.Listen(old.at); again != nil {
			return errors.Join(err, again)
		}
		at = old.at
	}
	d.scrapes = metricsListener{l, at}
	d.serveMetrics()
	return err
}

func (d *daemon) closeMetrics() {
	if l := d.scrapes.listener; l != nil {
		l.Close()
	}
	d.scrapes = metricsListener{}
}

// metricsText returns the metrics as they are now. It waits for the worker for a bounded
// time, and not for the firewall or a disk.
func (d *daemon) metricsText(ctx context.Context) []byte {
	d.refreshCounters(ctx)
	r := metrics.Readings{Version: d.version, GoVersion: runtime.Version(), Started: d.started, Restarts: d.health.restarts()}
	r.Firewall, r.External = d.mon.OpenCounts()
	switch {
	case d.fw != nil:
		r.Backend = d.fw.Name
	case d.o.Test:
		r.Backend = "test"
	}
	r.Fleet, r.Quorum = d.fleet.state()
	d.mu.Lock()
	r.Loaded = d.loaded
	r.ReloadFailed = d.lastReload != nil && d.lastReload.Verdict != report.ReloadLoaded
	d.mu.Unlock()
	r.ReloadFailed = r.ReloadFailed || d.reported.notApplied() != ""
	r.CPU, r.Resident = processorTime(), residentMemory()
	return d.metrics.AppendText(nil, &r)
}

// A freshness lets the counters of the worker be asked for once at a time.
type freshness struct {
	mu sync.Mutex
	at time.Time // when they were asked for last
}

// What a scrape may cost: the counters of the worker are not asked for again before
// counterAge, and scrapeWait is how long it may take to answer.
const (
	counterAge = time.Second
	scrapeWait = time.Second
)

// refreshCounters requests the counters of the worker, which go to d.metrics. Without an answer
// the last ones stay.
func (d *daemon) refreshCounters(ctx context.Context) {
	f := &d.counted
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < counterAge || !d.health.running() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, scrapeWait)
	defer cancel()
	d.reported.awaitCount(ctx, func() { d.mon.Notify(privsep.NoticeCount) })
	f.at = time.Now()
}

// processorTime returns what this process has used, 0 if the system does not say.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nameSources registers the configured sources with the metrics.
func (d *daemon) nameSources() {
	var names []string
	for _, f := range privsep.SourceSpecs(d.conf().Loaded) {
		names = append(names, f.Name())
	}
	d.metrics.Configured(names)
}

// A timedBackend is a firewall whose changes are timed.
type timedBackend struct {
	enforce.Backend
	metrics *metrics.Set
}

// Change implements [enforce.Backend].
func (b timedBackend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	start := time.Now()
	opened, revoked = b.Backend.Change(ctx, open, revoke)
	b.metrics.Changed(time.Since(start))
	return opened, revoked
}
