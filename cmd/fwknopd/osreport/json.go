package osreport

import (
	"bufio"
	"io"
	"strconv"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fingerprint"
	"fwknopd/policy/conf"
)

// writeJSON writes one object per source, in order of first appearance, and returns how many have
// a signature.
func writeJSON(w io.Writer, c *sources.Counter) (named int, err error) {
	b := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for s := range c.All() {
		sigs := s.Signatures()
		if len(sigs) > 0 {
			named++
		}
		line = append(appendSource(line[:0], s, sigs), '\n')
		if _, err := b.Write(line); err != nil {
			return named, err
		}
	}
	return named, b.Flush()
}

// appendSource appends the object of a source: its address, the tunnels its SYNs were inside (the
// outermost first), how many they were and from when to when, the signatures that fit, the kinds of
// SYN that none fits, and how many findings beyond the limit were left out.
func appendSource(b []byte, s sources.Row, sigs []*fingerprint.Signature) []byte {
	b = append(s.Addr().AppendTo(append(b, `{"v":1,"event_type":"os","src_ip":"`...)), '"')
	if tunnel := s.Tunnel(); tunnel != "" {
		b = report.AppendQuoted(append(b, `,"tunnel":`...), tunnel)
	}
	b = strconv.AppendUint(append(b, `,"syns":`...), uint64(s.SYNs()), 10)
	if first, last, ok := s.Seen(); ok {
		b = first.AppendFormat(append(b, `,"first_seen":"`...), time.RFC3339Nano)
		b = last.AppendFormat(append(b, `","last_seen":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	b = append(b, `,"matches":[`...)
	for i, sig := range sigs {
		b = appendMatch(appendComma(b, i), sig)
	}
	b = append(b, `],"unmatched":[`...)
	for i, u := range s.Unknowns() {
		b = appendUnmatched(appendComma(b, i), &u)
	}
	b = append(b, ']')
	if left := s.Omitted(); left > 0 {
		b = strconv.AppendUint(append(b, `,"left_out":`...), uint64(left), 10)
	}
	return append(b, '}')
}

// appendComma appends what stands in front of element i of a list.
func appendComma(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
}

func appendMatch(b []byte, s *fingerprint.Signature) []byte {
	b = report.AppendQuoted(append(b, `{"signature":`...), s.Text)
	b = report.AppendQuoted(append(b, `,"os":`...), conf.Printable(s.Label))
	if s.Generic {
		b = append(b, `,"generic":true`...)
	}
	return append(b, '}')
}

// appendUnmatched appends a kind of SYN that no signature fits: its own, or the reason why it has
// none; the nearest signature, and in what that differs.
func appendUnmatched(b []byte, u *sources.Unknown) []byte {
	if u.Text != "" {
		b = report.AppendQuoted(append(b, `{"signature":`...), u.Text)
	} else {
		b = report.AppendQuoted(append(b, `{"reason":`...), sources.NoOptions)
	}
	if u.Nearest != nil {
		b = appendMatch(append(b, `,"nearest":`...), u.Nearest)
	}
	if len(u.Differs) > 0 {
		b = append(b, `,"differs":[`...)
		for i, field := range u.Differs {
			b = report.AppendQuoted(appendComma(b, i), field)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
