package daemon

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// The monitor does not trust the records of a worker and limits their size and rate.
const (
	maxRecord = 16 << 10
	// recordRate and recordBurst limit what is written for a worker, in bytes per second
	// and at once. Each record costs recordUnit in addition to its length, so that neither
	// many nor long records fill the disk.
	recordUnit  = 512
	recordRate  = 2000 * recordUnit
	recordBurst = 20000 * recordUnit
)

// readWorkerLog handles the records of a worker until the pipe is closed.
func (d *daemon) readWorkerLog(from io.ReadCloser) {
	defer from.Close()
	in := bufio.NewReaderSize(from, maxRecord)
	budget := privsep.NewBudget(recordRate, recordBurst)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return // the end, or a line longer than maxRecord
		}
		if lost := budget.Take(time.Now(), recordUnit+len(line)); lost > 0 {
			d.logf(warning, "%s of the worker left out, it says too much", conf.Count(int(lost), "message"))
		} else if lost < 0 {
			continue
		}
		if len(line) > 2 {
			d.handleRecord(line[0], line[1:len(line)-1])
		}
	}
}

func (d *daemon) handleRecord(kind byte, text []byte) {
	switch kind {
	case privsep.RecordInfo:
		d.logf(info, "%s", text)
	case privsep.RecordWarning:
		d.logf(warning, "%s", text)
	case privsep.RecordAlert:
		d.alertf(warning, "%s", text)
	case privsep.RecordDetail:
		if d.verbose > 1 {
			d.logf(info, "%s", text)
		}
	case privsep.RecordEvent:
		if isDecision(text) {
			d.events.write(text)
		}
	case privsep.RecordPositions:
		_ = d.storePositions(text) // those that are not valid are not kept
	}
}

// isDecision reports whether a worker may write object into the event log. Only the
// monitor logs what became of a decision.
func isDecision(object []byte) bool {
	var is struct {
		Type string `json:"event_type"`
	}
	return json.Unmarshal(object, &is) == nil && (is.Type == "decision" || is.Type == "suppressed")
}
