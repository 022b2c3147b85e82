package kafka

import (
	"bytes"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/ingest"
)

// A message is what is sent to the worker at a time: parts of records of one partition.
type message struct {
	parts []ingest.FedRecord
	last  *kgo.Record // that ends in it; nil: none does
}

// messages packs the records of a partition. A message is valid until the next one.
func messages(records []*kgo.Record) iter.Seq[message] {
	return func(yield func(message) bool) {
		var m message
		size := 0
		for _, r := range records {
			for part, more := range parts(r) {
				if !fleetlink.LinesFit(len(m.parts), size, &part) {
					if !yield(m) {
						return
					}
					m, size = message{parts: m.parts[:0]}, 0
				}
				m.parts = append(m.parts, part)
				size += len(part.Text)
				if !more {
					m.last = r
				}
			}
		}
		if len(m.parts) > 0 {
			yield(m)
		}
	}
}

// parts cuts a record at ends of lines into parts that fit into a message, and says of each whether
// more follow. A line that does not fit is a part of its own, without its text.
func parts(r *kgo.Record) iter.Seq2[ingest.FedRecord, bool] {
	return func(yield func(ingest.FedRecord, bool) bool) {
		rest := bytes.TrimSuffix(r.Value, newline)
		first := uint32(0)
		for more := true; more; {
			part := ingest.FedRecord{Offset: r.Offset, Time: r.Timestamp, First: first}
			part.Text, rest, more = cutPart(rest)
			if part.Long = len(part.Text) > fleetlink.MaxLines; part.Long {
				part.Text = nil
			}
			if !yield(part, more) {
				return
			}
			first += uint32(part.Lines())
		}
	}
}

var newline = []byte{'\n'}

// cutPart takes as many whole lines from text as fit into a message, at least one.
func cutPart(text []byte) (part, rest []byte, more bool) {
	if len(text) <= fleetlink.MaxLines {
		return text, nil, false
	}
	end := bytes.LastIndexByte(text[:fleetlink.MaxLines+1], '\n')
	if end < 0 {
		return bytes.Cut(text, newline)
	}
	return text[:end], text[end+1:], true
}
