package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
)

// lastRecords is how long the records of a worker are read after its end.
const lastRecords = time.Second

// supervise keeps a worker running until ctx is done or the restart limit is reached.
func (d *daemon) supervise(ctx context.Context) error {
	start := d.spawnWorker
	if d.o.Test {
		start = d.embedWorker
	}
	s := d.conf().Server
	return d.mon.Supervise(ctx, monitor.Supervision{
		Start: d.health.count(start), Ready: d.workerReady, Waiting: d.setWaiting, Ended: d.workerEnded,
		Interval: s.RestartPause, Retries: s.RestartRetries, Check: checkInterval(s.RestartPause), Alive: feedWatchdog,
	})
}

// checkInterval returns how often the worker is asked whether it is alive: at the interval
// of KNOPWATCHD_CHECK_INTERVAL, or at half the interval of the service manager's watchdog, if that is shorter.
func checkInterval(configured time.Duration) time.Duration {
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil || watchdog <= 0 || configured > 0 && configured < watchdog/2 {
		return configured
	}
	return watchdog / 2
}

// feedWatchdog notifies the service manager that both processes are alive. It has no effect
// if no watchdog is set.
func feedWatchdog() {
	if watchdog, err := sd.SdWatchdogEnabled(false); err == nil && watchdog > 0 {
		_, _ = sd.SdNotify(false, sd.SdNotifyWatchdog)
	}
}

// workerReady is called whenever a worker is ready.
func (d *daemon) workerReady() {
	d.ready.Store(true)
	d.compatf("Starting fwknopd main event loop.")
	d.logf(info, "at work")
	d.notifyReady()
	notifyParent(readyPrefix + d.waiting())
}

// spawnWorker starts the unprivileged process, or takes over the one that was started ahead.
func (d *daemon) spawnWorker() (*monitor.Worker, error) {
	p, err := d.takeWorker()
	if err != nil {
		return nil, err
	}
	wk := p.Worker
	read := make(chan struct{})
	d.workerLogs.Go(func() { d.readWorkerLog(p.records, wk.Kill); close(read) })
	d.mu.Lock()
	d.worker = wk
	d.mu.Unlock()
	wait := wk.Wait
	wk.Wait = func() error {
		err := wait()
		// A process that the worker left may hold the pipe.
		_ = p.records.SetReadDeadline(time.Now().Add(lastRecords)) // fails if the pipe has ended
		<-read                                                     // the next worker begins at the positions of this one
		return newWorkerExit(err, p.stderr.String())
	}
	return wk, nil
}

// A workerProcess is a worker that is not served yet, so that it has no configuration and
// reads nothing.
type workerProcess struct {
	*monitor.Worker
	records *os.File // what it logs
	stderr  *headBuffer
	ended   chan error // its status, which Wait returns
}

// close closes what a worker that has ended leaves.
func (p *workerProcess) close() {
	p.Conn.Close()
	p.records.Close()
}

func (d *daemon) startWorkerProcess() (*workerProcess, error) {
	cred, err := credential(d.conf().Loaded)
	if err != nil {
		return nil, err
	}
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	stderr := &headBuffer{}
	cmd := &exec.Cmd{
		Path: program, Args: []string{privsep.WorkerName}, Dir: "/", Env: workerEnvironment(),
		Stderr: stderr, ExtraFiles: []*os.File{w}, WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{Credential: cred},
	}
	wk, err := monitor.Spawn(cmd)
	if err != nil {
		r.Close()
		return nil, err
	}
	p := &workerProcess{wk, r, stderr, make(chan error, 1)}
	wait := wk.Wait
	go func() { p.ended <- wait() }()
	wk.Wait = func() error { return <-p.ended }
	return p, nil
}

// embedWorker runs the worker in this process, for --test.
func (d *daemon) embedWorker() (*monitor.Worker, error) {
	server, conn, err := monitor.Pair()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, server.Close(), conn.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	kill := func() error { cancel(); return nil }
	d.workerLogs.Go(func() { d.readWorkerLog(r, kill) })
	ended := make(chan error, 1)
	go func() { ended <- d.work(ctx, conn, w) }()
	return &monitor.Worker{
		Conn: server, Wait: func() error { return newEmbeddedExit(<-ended) }, Kill: kill,
	}, nil
}

// workerEnvironment returns the environment of the worker, with the time zone of the
// daemon.
func workerEnvironment() []string {
	env := append([]string(nil), command.Plain...)
	if tz, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+tz)
	}
	return env
}
