package daemon

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// readWorkerLog handles the records of a worker until the pipe is closed. A worker that
// sends anything else than a record is ended with kill, as one that breaks the protocol
// of requests.
func (d *daemon) readWorkerLog(from io.ReadCloser, kill func() error) {
	defer from.Close()
	d.metrics.WorkerStarted()
	err := d.readRecords(bufio.NewReaderSize(from, 32<<10))
	if err == nil {
		return
	}
	ev := monitor.Event{Time: time.Now(), Kind: monitor.Violation, Err: fmt.Errorf("log record: %w", err)}
	d.events.write(report.EventJSON(&ev, ""), report.EventText(&ev, "", ""))
	d.alertf(severityOf(&ev), "%s", report.EventText(&ev, hostname(), ""))
	_ = kill() // it may have ended
}

// readRecords handles records until the pipe is closed or one is malformed.
func (d *daemon) readRecords(in io.Reader) error {
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
		if err := d.handleRecord(head[0], content); err != nil {
			return err
		}
	}
}

var errUnknownRecord = errors.New("of no known kind")

// handleRecord logs one record, unless the worker has sent too much.
func (d *daemon) handleRecord(kind byte, content []byte) error {
	switch kind {
	case privsep.RecordPositions:
		_ = d.storePositions(content) // those that are not valid are not kept
	case privsep.RecordDecision:
		var r report.Record
		if err := decodeRecord(content, &r); err != nil {
			return err
		}
		d.metrics.Decided(&r.Decision)
		if r.Decision.Verdict == policy.Allow && d.records.allow(time.Now()) || d.mayLog(len(content), len(r.Refusals)) {
			d.logDecision(&r)
		}
	case privsep.RecordSuppressed:
		var s report.Suppressed
		if err := decodeRecord(content, &s); err != nil {
			return err
		}
		d.metrics.Summarised(&s)
		if d.mayLog(len(content), 0) {
			d.logSuppressed(&s)
		}
	case privsep.RecordText:
		if d.mayLog(len(content), 0) {
			d.logf(warning, "worker: %s", content)
		}
	default:
		return d.handleNotice(kind, content)
	}
	return nil
}

// handleNotice logs a record with numbers or without content.
func (d *daemon) handleNotice(kind byte, content []byte) error {
	switch kind {
	case privsep.RecordState:
		var state report.State
		if err := decodeRecord(content, &state); err != nil {
			return err
		}
		if d.mayLog(len(content), 1) { // it is longer than one message
			d.logLines(info, state.Lines())
		}
	case privsep.RecordCounters:
		var counters report.State
		if err := decodeRecord(content, &counters); err != nil {
			return err
		}
		d.metrics.Said(&counters)
		d.reported.count(counters)
	case privsep.RecordTaken:
		var taken report.Taken
		if err := decodeRecord(content, &taken); err != nil {
			return err
		}
		return d.configurationTaken(taken)
	case privsep.RecordLost:
		var lost uint64
		if err := codec.Decode(content, &lost); err != nil {
			return err
		}
		if d.mayLog(len(content), 0) {
			d.logf(warning, "%s lost, the log was too slow", conf.Count(int(lost), "message"))
		}
	default:
		return d.handleSign(kind, content)
	}
	return nil
}

// handleSign logs a record without content.
func (d *daemon) handleSign(kind byte, content []byte) error {
	limit := d.conf().workerConfig.Limit
	switch {
	case kind == privsep.RecordListening && len(content) == 0:
		d.metrics.SourcesOpened()
		if d.mayLog(0, 0) {
			d.logListening()
		}
	case kind == privsep.RecordLimit && len(content) == 0 && limit > 0:
		if d.mayLog(0, 0) {
			d.compatf("* Incoming packet count limit of %d reached", limit)
			d.compatf("Packet count limit (%d) reached. Exiting...", limit)
		}
	default:
		return errUnknownRecord
	}
	return nil
}

// logListening logs, in the old daemon's format, the ports on which the worker listens.
func (d *daemon) logListening() {
	for _, f := range privsep.SourceSpecs(d.conf().Loaded) {
		if f.Mode == "UDP" || f.Mode == "TCP" {
			d.compatf("Kicking off %s server to listen on port %d.", f.Mode, f.Port)
		}
	}
}

// decodeRecord decodes and checks the content of a record.
func decodeRecord[T interface{ Check() error }](content []byte, v T) error {
	if err := codec.Decode(content, v); err != nil {
		return err
	}
	return v.Check()
}
