package daemon

import (
	"maps"
	"os"
	"sync"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/monitor"
)

// An ahead is what the first worker needs and what takes long: it is made while this process
// looks at the firewall. The worker gets no configuration, and the sources have no reader,
// until [monitor.Monitor.Supervise] serves the worker.
type ahead struct {
	worker func() (*workerProcess, error) // waits until it has started; nil: taken
	files  map[string]func() (*os.File, error)
	drops  []func() // close what has no reader
}

// startAhead begins to start the first worker and to open its sources. This process has to be
// confined before: the worker inherits that.
func (d *daemon) startAhead() {
	if d.o.Test {
		return
	}
	d.ahead.worker = sync.OnceValues(d.startWorkerProcess)
	go d.ahead.worker()
	d.ahead.files = make(map[string]func() (*os.File, error))
	for _, f := range privsep.SourceSpecs(d.conf().Loaded) {
		files, drop := f.FilesAhead()
		maps.Copy(d.ahead.files, files)
		d.ahead.drops = append(d.ahead.drops, drop)
	}
}

// firstPolicy returns what the first worker may request.
func (d *daemon) firstPolicy() monitor.Policy {
	p := d.workerPolicy()
	maps.Copy(p.Files, d.ahead.files)
	d.ahead.files = nil
	return p
}

// takeWorker returns the worker that was started ahead, and starts one when there is none, or that
// one has ended already, as by a signal.
func (d *daemon) takeWorker() (*workerProcess, error) {
	start := d.ahead.worker
	if d.ahead.worker = nil; start == nil {
		return d.startWorkerProcess()
	}
	p, err := start()
	if err != nil {
		return nil, err
	}
	select {
	case status := <-p.ended:
		p.close()
		d.logf(warning, "the worker ended before its work began, another one is started: %v", newWorkerExit(status, p.stderr.String()))
		return d.startWorkerProcess()
	default:
		return p, nil
	}
}

// dropFiles closes the sources that were opened ahead and that no worker has got: another
// configuration may have others.
func (d *daemon) dropFiles() {
	for _, drop := range d.ahead.drops {
		drop()
	}
}

// dropAhead ends the worker that was started ahead: the start has failed.
func (d *daemon) dropAhead() {
	d.dropFiles()
	start := d.ahead.worker
	if d.ahead.worker = nil; start == nil {
		return
	}
	p, err := start()
	if err != nil {
		return
	}
	_ = p.Kill() // it may have ended
	_ = p.Wait()
	p.close()
}
