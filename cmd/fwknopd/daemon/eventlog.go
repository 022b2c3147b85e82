package daemon

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// An eventLog is a file of JSON objects, one per line: decisions in the format of
// replay, and monitor events. An object is never joined to the part of a line that a
// full disk or a crash has left.
type eventLog struct {
	mu   sync.Mutex
	path string
	ecs  *report.Observer // the observer in ECS objects; nil: in the form of fwknopd
	file io.WriteCloser   // nil: none
	torn bool             // the file ends within a line
	lost int              // objects since the last one that was written
	readers
	feed control.Feed // of all objects, in the form of fwknopd, whether there is a log or not
	logf func(sev severity, format string, args ...any)
}

// openEvents opens the event log as the configuration says.
func (d *daemon) openEvents(s *conf.Server) {
	var ecs *report.Observer
	if s.EventFormat == conf.EventsECS {
		ecs = &report.Observer{Hostname: hostname(), Version: d.version}
	}
	d.events.admits(readers{group: s.EventLogGroup, folder: s.LogDir})
	d.events.open(s.EventLog, ecs)
}

// open opens path for appending, again if it is open: the file may have been renamed.
// An empty path closes the log. ecs is the observer in ECS objects, nil for the form of fwknopd.
func (e *eventLog) open(path string, ecs *report.Observer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ecs = ecs
	if e.file != nil {
		e.file.Close()
		e.file = nil
	}
	if e.lost > 0 && path != e.path {
		e.logf(warning, "event log: %s lost", conf.Count(e.lost, "event"))
		e.lost = 0
	}
	e.path = path
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		e.logf(warning, "no event log: %v", err)
		return
	}
	if err := e.readers.admit(f); err != nil {
		e.logf(warning, "event log: EVENT_LOG_GROUP: %v", err)
	}
	e.file, e.torn = f, endsInLine(f)
}

// reopen opens the log again, if it is open.
func (e *eventLog) reopen() {
	e.mu.Lock()
	path, ecs := e.path, e.ecs
	e.mu.Unlock()
	if path != "" {
		e.open(path, ecs)
	}
}

// admits sets who may read the log once it is opened.
func (e *eventLog) admits(r readers) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readers = r
}

// write appends one object, and passes it to those who watch. text is the message about the
// same, "" if there is none.
func (e *eventLog) write(object []byte, text string) {
	e.feed.Add(object)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return
	}
	if e.lost > 0 {
		lost := monitor.Event{Kind: monitor.Lost, Time: time.Now(), Count: e.lost}
		if e.append(report.EventJSON(&lost, ""), report.EventText(&lost, "", "")) != nil {
			e.lost++
			return
		}
		e.logf(warning, "event log: %s lost, it is written again", conf.Count(e.lost, "event"))
		e.lost = 0
	}
	if err := e.append(object, text); err != nil {
		e.logf(warning, "event log: %v", err)
		e.lost = 1
	}
}

// append writes one line. After a failure the next one starts with a newline. e.mu must be
// held.
func (e *eventLog) append(object []byte, text string) error {
	if e.ecs != nil {
		object = report.AppendECS(nil, object, text, *e.ecs)
	}
	line := make([]byte, 0, len(object)+2)
	if e.torn {
		line = append(line, '\n')
	}
	line = append(append(line, object...), '\n')
	n, err := e.file.Write(line)
	if n > 0 {
		e.torn = line[n-1] != '\n'
	}
	return err
}
