package daemon

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// recordRate and recordBurst limit what is written for a worker, in bytes per second
// and at once. Each record costs recordUnit in addition to its length, so that neither
// many nor long records fill the disk.
const (
	recordUnit  = 512
	recordRate  = 2000 * recordUnit
	recordBurst = 20000 * recordUnit
)

// readWorkerLog handles the records of a worker until the pipe is closed. A worker that
// sends anything else than a record is ended with kill, as one that breaks the protocol
// of requests.
func (d *daemon) readWorkerLog(from io.ReadCloser, kill func() error) {
	defer from.Close()
	err := d.readRecords(bufio.NewReaderSize(from, 32<<10))
	if err == nil {
		return
	}
	ev := monitor.Event{Time: time.Now(), Kind: monitor.Violation, Err: fmt.Errorf("log record: %w", err)}
	d.events.write(report.EventJSON(&ev))
	d.alertf(severityOf(&ev), "%s", report.EventText(&ev, hostname()))
	_ = kill() // it may have ended
}

// readRecords handles records until the pipe is closed or one is malformed.
func (d *daemon) readRecords(in io.Reader) error {
	budget := privsep.NewBudget(recordRate, recordBurst)
	var head [privsep.RecordHead]byte
	content := make([]byte, privsep.MaxRecord)
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil // the worker has ended, maybe within a record
		}
		content := content[:binary.BigEndian.Uint16(head[1:])]
		if _, err := io.ReadFull(in, content); err != nil {
			return nil
		}
		if lost := budget.Take(time.Now(), recordUnit+len(content)); lost > 0 {
			d.logf(warning, "%s of the worker left out, it says too much", conf.Count(lost, "message"))
		} else if lost < 0 {
			continue
		}
		if err := d.handleRecord(head[0], content); err != nil {
			return err
		}
	}
}

var errUnknownRecord = errors.New("of no known kind")

// handleRecord logs one record.
func (d *daemon) handleRecord(kind byte, content []byte) error {
	switch kind {
	case privsep.RecordDecision:
		var r report.Record
		if err := decodeRecord(content, &r); err != nil {
			return err
		}
		d.logDecision(&r)
	case privsep.RecordSuppressed:
		var s report.Suppressed
		if err := decodeRecord(content, &s); err != nil {
			return err
		}
		d.logSuppressed(&s)
	case privsep.RecordState:
		var s report.State
		if err := decodeRecord(content, &s); err != nil {
			return err
		}
		for _, line := range s.Lines() {
			d.logf(info, "%s", line)
		}
	case privsep.RecordLost:
		var n uint64
		if err := privsep.Decode(content, &n); err != nil {
			return err
		}
		d.logf(warning, "%s lost, the log was too slow", conf.Count(int(n), "message"))
	case privsep.RecordText:
		d.logf(warning, "worker: %s", content)
	case privsep.RecordPositions:
		_ = d.storePositions(content) // those that are not valid are not kept
	default:
		return d.handleNotice(kind, content)
	}
	return nil
}

// handleNotice logs a record that has no content.
func (d *daemon) handleNotice(kind byte, content []byte) error {
	s := d.conf()
	switch {
	case len(content) > 0:
		return errUnknownRecord
	case kind == privsep.RecordListening:
		for _, f := range privsep.SourceSpecs(s.Loaded) {
			if f.Mode == "UDP" || f.Mode == "TCP" {
				d.compatf("Kicking off %s server to listen on port %d.", f.Mode, f.Port)
			}
		}
	case kind == privsep.RecordLimit && s.workerConfig.Limit > 0:
		d.compatf("* Incoming packet count limit of %d reached", s.workerConfig.Limit)
		d.compatf("Packet count limit (%d) reached. Exiting...", s.workerConfig.Limit)
	default:
		return errUnknownRecord
	}
	return nil
}

// decodeRecord decodes and checks the content of a record.
func decodeRecord[T interface{ Check() error }](content []byte, v T) error {
	if err := privsep.Decode(content, v); err != nil {
		return err
	}
	return v.Check()
}
