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
		maps.Copy(d.ahead.files, f.FilesAhead())
	}
}

// firstPolicy returns what the first worker may request.
func (d *daemon) firstPolicy() monitor.Policy {
	p := d.workerPolicy()
	maps.Copy(p.Files, d.ahead.files)
	d.ahead.files = nil
	return p
}

// takeWorker returns the worker that was started ahead, and starts one when there is none.
func (d *daemon) takeWorker() (*workerProcess, error) {
	start := d.ahead.worker
	if d.ahead.worker = nil; start == nil {
		start = d.startWorkerProcess
	}
	return start()
}

// dropAhead ends the worker that was started ahead: the start has failed.
func (d *daemon) dropAhead() {
	if d.ahead.worker == nil {
		return
	}
	p, err := d.takeWorker()
	if err != nil {
		return
	}
	_ = p.Kill() // it may have ended
	_ = p.Wait()
	p.Conn.Close()
	p.records.Close()
}
