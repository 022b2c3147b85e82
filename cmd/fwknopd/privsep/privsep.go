// Package privsep is what the two processes of the daemon agree on: how one starts the
// other, the configuration that the monitor hands over, the sources and files that the
// worker requests by name, and the records that the worker logs. The protocol of the
// requests is that of package monitor.
package privsep

import (
	"errors"
	"os"
)

// WorkerName is argv[0] of the worker, which also identifies it.
const WorkerName = "fwknopd: worker"

// IsWorker reports whether this process is the worker of a daemon.
func IsWorker() bool { return len(os.Args) == 1 && os.Args[0] == WorkerName }

// SetProcessName sets the name of this process in pgrep and top, which on Linux is "exe"
// after a start through /proc/self/exe. An error, such as a missing or read-only /proc,
// is ignored.
func SetProcessName() { _ = os.WriteFile("/proc/self/comm", []byte("fwknopd"), 0) }

// Exit codes of the worker. The reason of an error is on standard error, where the Go
// runtime also writes on a crash.
const (
	ExitError    = 1
	ExitFinished = 3 // see [ErrFinished]
	ExitRestart  = 4 // see [ErrRestart]
)

// ErrFinished ends a worker that is done: the number of packets of -C has been reached,
// or an input that is read once has ended.
var ErrFinished = errors.New("the worker has finished")

// ErrRestart ends a worker that cannot follow a new configuration, since it gave up the
// right to read the directories of its sources. Another worker can.
var ErrRestart = errors.New("the worker makes way for one that may read the directories of the new configuration")

// Names of the files that the monitor opens for the worker, in addition to the sources.
const (
	FileConfig  = "config"
	FileJournal = "journal" // a pipe: the digests of the messages seen
	FileUses    = "uses"    // [schedule.Counts], as they are formatted
	FileFleet   = "fleet"   // one end of a new link to the fleet process, see package fleetlink
	FileGroup   = "group"   // one end of a new link to the gateways of the group, see there
)

// Notices of the monitor to the worker.
const (
	NoticeReload = "reload" // fetch the configuration again
	NoticeState  = "state"  // log the counters
	NoticeCount  = "count"  // report the counters, which are not logged
	NoticeUses   = "uses"   // fetch the uses of stanzas again: one was reset
)
