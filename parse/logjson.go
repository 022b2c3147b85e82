package parse

import "time"

// A wrapper is what a JSON object says about the log line in it.
type wrapper struct {
	message []byte // the raw JSON value
	when    []byte // a time in text
	micros  []byte // microseconds since 1970
	origin  Origin
	journal bool // a record of the journal, whose message is the bare message
}

// jsonLine reads a line that is one JSON object:
//
//   - a record of the journal (journalctl -o json). Its fields that begin with an
//     underscore are journald's own, and no program can set them: _TRANSPORT alone
//     says whether the kernel wrote the message;
//   - a line of any other dialect under "log" (Docker), "message" or "msg". Who
//     wrote it is for that line to say; the wrapper gives the time if it has none.
func jsonLine(line []byte, ref time.Time, ev *Event) error {
	w, ok := unwrap(line)
	if !ok {
		return brokenJSON(line)
	}
	if w.message == nil {
		return errNoRecord
	}
	text, ok := jsonText(w.message, ev)
	if !ok {
		return brokenJSON(line)
	}
	text = trimEnd(text)
	s, ok := findRecord(text, 0)
	if !ok {
		return errNoRecord
	}
	ev.Reset()
	msg := 0
	if !w.journal {
		msg = head(text[:s.start], ref, ev)
	}
	if w.origin != OriginUnknown {
		ev.Origin = w.origin
	}
	if ev.Time.IsZero() {
		ev.Time = w.time(ref)
	}
	return message(text, msg, s, ev)
}

var errJSON = &skip{ErrMalformed, "netfilter record in broken JSON"}

// brokenJSON tells torn records of ours from braces that mean nothing to us.
func brokenJSON(line []byte) error {
	if _, ok := findRecord(line, 0); ok {
		return errJSON
	}
	return errNoRecord
}

// time returns the time the wrapper gives, zero if none.
func (w *wrapper) time(ref time.Time) time.Time {
	var s stamp
	if j := s.microseconds(w.micros, 0); j == len(w.micros) && w.micros != nil {
		return s.time(ref)
	}
	s = stamp{}
	if j := s.read(w.when, 0); j == len(w.when) && w.when != nil {
		return s.time(ref)
	}
	return time.Time{}
}

// unwrap reads the fields of the object that line is. A field of ours that comes
// twice makes it ambiguous, which is refused.
func unwrap(line []byte) (w wrapper, ok bool) {
	transport := []byte(nil)
	i := jsonBlanks(line, 1)
	if i < len(line) && line[i] == '}' {
		return w, jsonBlanks(line, i+1) == len(line)
	}
	for {
		name, j := jsonString(line, i)
		j = jsonBlanks(line, after(line, jsonBlanks(line, j), ":"))
		end := jsonValue(line, j)
		if end == failed {
			return w, false
		}
		value := line[j:end]
		var field *[]byte
		switch string(name) {
		case "MESSAGE", "message", "msg", "log":
			field = &w.message
		case "__REALTIME_TIMESTAMP":
			field = &w.micros
			w.journal = true
		case "_TRANSPORT":
			field = &transport
			w.journal = true
		case "time", "timestamp", "@timestamp":
			field = &w.when
		}
		if field != nil {
			if *field != nil {
				return w, false
			}
			*field = value
		}
		i = jsonBlanks(line, end)
		if k := after(line, i, ","); k != failed {
			i = jsonBlanks(line, k)
			continue
		}
		if string(transport) == `"kernel"` {
			w.origin = OriginKernel
		}
		w.micros, w.when = unquote(w.micros), unquote(w.when)
		i = after(line, i, "}")
		return w, i != failed && jsonBlanks(line, i) == len(line)
	}
}

// unquote takes the quotes off a raw JSON string; other values it leaves.
func unquote(v []byte) []byte {
	if len(v) >= 2 && v[0] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}
