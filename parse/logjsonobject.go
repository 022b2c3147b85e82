package parse

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// A slot holds the value of one known name of a JSON object. The slots of a group are in
// order of precedence.
type slot uint8

const (
	slotTransport slot = iota // of the journal
	slotUlogd                 // any field that only ulogd has
	slotPri                   // of dmesg --json, with facility and level
	slotPriority              // these four of Fluent Bit's kmsg, which reads /dev/kmsg
	slotSequence
	slotSec
	slotUsec
	slotText     // the message; whole lines come before bare messages
	slotTag      = slotText + 20
	slotFacility = slotTag + 15
	slotTime     = slotFacility + 8
	slotRealtime = slotTime + 1
	slotUptime   = slotTime + 12 // "time" in dmesg --json
	slots        = slotTime + 34
	noSlot       = slots
)

// An object is a JSON object and the offsets of the values of known names in it.
type object struct {
	json   []byte
	values [slots]struct{ start, end, path int32 }

	path [maxPath]byte // of the member that is being read, its names joined by points
	n    int
}

// maxPath bounds the names looked at: all known names are shorter.
const maxPath = 64

func (o *object) isSet(n slot) bool { return o.values[n].end > 0 }

// raw returns the value in a slot as it is written, nil if there is none.
func (o *object) raw(n slot) []byte { return o.json[o.values[n].start:o.values[n].end] }

// read reads the object json. A known name that occurs twice makes it ambiguous, and read
// fails; two names for the same value do not.
func (o *object) read(json []byte) bool {
	o.json = json
	end := o.members(0, 0)
	return end != failed && jsonBlanks(json, end) == len(json)
}

// maxNested is how deep the objects nest in which names are looked for.
const maxNested = 3

// members reads the object at i and returns the index after it.
func (o *object) members(i, depth int) int {
	i = jsonBlanks(o.json, after(o.json, i, "{"))
	if j := after(o.json, i, "}"); j != failed {
		return j
	}
	outer := o.n
	for {
		name, value, end := member(o.json, i)
		if end == failed {
			return failed
		}
		path, ok := name, true
		if nested := o.json[value] == '{'; nested || depth > 0 {
			path, ok = o.pushName(name)
			if ok && nested && depth < maxNested && hasKnownNames(path) {
				end, ok = o.members(value, depth+1), false
			}
			o.n = outer
		}
		if ok && !o.set(path, value, end) {
			return failed
		}
		if end == failed {
			return failed
		}
		i = jsonBlanks(o.json, end)
		if j := after(o.json, i, ","); j != failed {
			i = jsonBlanks(o.json, j)
			continue
		}
		return after(o.json, i, "}")
	}
}

// member returns the name at i, where its value lies, and the index after it.
func member(b []byte, i int) (name []byte, value, end int) {
	name, i = jsonString(b, i)
	value = jsonBlanks(b, after(b, jsonBlanks(b, i), ":"))
	return name, value, jsonValue(b, value)
}

// pushName appends a name to the path, and returns that. It reports false if the path is
// longer than any known one.
func (o *object) pushName(name []byte) ([]byte, bool) {
	if o.n > 0 && o.n < maxPath {
		o.path[o.n] = '.'
		o.n++
	}
	if o.n+len(name) > maxPath {
		return nil, false
	}
	o.n += copy(o.path[o.n:], name)
	return o.path[:o.n], true
}

// set stores the value of a path, if it is a known one. It reports false if the path
// occurred before.
func (o *object) set(path []byte, start, end int) bool {
	length := int32(len(path))
	if bytes.IndexByte(path, '.') >= 0 {
		path = trimEnvelope(path)
	}
	n := slotOf(path)
	if n == noSlot {
		return true
	}
	v := &o.values[n]
	switch {
	case v.end == 0:
		v.start, v.end, v.path = int32(start), int32(end), length
	case n != slotUlogd && v.path == length:
		return false
	}
	return true
}

// hasKnownNames reports whether the object at path is searched for known names.
func hasKnownNames(path []byte) bool {
	if len(trimEnvelope(path)) < len(path) {
		path = trimEnvelope(path)
	}
	switch string(path) {
	case "_source", "result", "jsonPayload", "fields", "record", "json", "Record",
		"event", "log", "log.syslog", "log.syslog.facility", "syslog", "syslog.facility",
		"process", "systemd", "journald", "body", "Body":
		return true
	}
	return false
}

// trimEnvelope removes from a path the name of an object in which databases and cloud
// services wrap a record unchanged.
func trimEnvelope(path []byte) []byte {
	for _, envelope := range [...]string{"_source.", "result.", "jsonPayload.", "fields.", "record.", "json."} {
		if len(path) > len(envelope) && path[0] == envelope[0] && string(path[:len(envelope)]) == envelope {
			return path[len(envelope):]
		}
	}
	return path
}

// slotOf returns the slot of a name.
func slotOf(path []byte) slot {
	switch string(path) {
	case "_TRANSPORT", "systemd.transport", "journald.transport": // journalctl, Vector, Fluent Bit; Filebeat
		return slotTransport
	case "oob.hook", "oob.prefix", "oob.time.sec", "raw.pktlen":
		return slotUlogd
	case "pri":
		return slotPri
	case "priority":
		return slotPriority
	case "sequence":
		return slotSequence
	case "sec":
		return slotSec
	case "usec":
		return slotUsec
	}
	if n := textSlot(path); n != noSlot {
		return n
	}
	if n := timeSlot(path); n != noSlot {
		return n
	}
	return authorSlot(path)
}

// textSlot returns the slot of a name of the message.
func textSlot(path []byte) slot {
	n := slot(0)
	switch string(path) {
	case "MESSAGE": // journal, syslog-ng
		n = 0
	case "event.original": // Logstash, Elastic Agent
		n = 1
	case "rawmsg": // rsyslog
		n = 2
	case "full_message": // GELF
		n = 3
	case "message": // Filebeat, Logstash, Vector, rsyslog, Fluentd
		n = 4
	case "msg": // rsyslog
		n = 5
	case "log": // Docker, Fluent Bit
		n = 6
	case "short_message": // GELF
		n = 7
	case "_raw": // Splunk, Cribl
		n = 8
	case "@message", "Message": // CloudWatch
		n = 9
	case "line", "Line": // Loki
		n = 10
	case "textPayload": // Google Cloud
		n = 11
	case "body", "Body", "body.stringValue", "Body.stringValue": // OpenTelemetry
		n = 12
	case "raw", "raw_message", "rawMessage", "original":
		n = 13
	case "text":
		n = 14
	case "content", "data", "payload":
		n = 15
	case "syslog_message", "SyslogMessage": // Logstash's examples; Azure
		n = 16
	case "rawmsg-after-pri":
		n = 17
	case "MSG", "log.original":
		n = 18
	case "value":
		n = 19
	default:
		return noSlot
	}
	return slotText + n
}

// authorSlot returns the slot of a name of the tag or of the facility. The first of the
// tags may label other things as well.
func authorSlot(path []byte) slot {
	switch string(path) {
	case "tag":
		return slotTag
	case "syslogtag":
		return slotTag + 1
	case "programname":
		return slotTag + 2
	case "program":
		return slotTag + 3
	case "PROGRAM":
		return slotTag + 4
	case "appname", "app_name":
		return slotTag + 5
	case "app-name", "APP-NAME":
		return slotTag + 6
	case "ident":
		return slotTag + 7
	case "application_name", "_application_name":
		return slotTag + 8
	case "process.name":
		return slotTag + 9
	case "log.syslog.appname":
		return slotTag + 10
	case "syslog_program", "ProcessName":
		return slotTag + 11
	case "syslog.identifier", "syslog_identifier":
		return slotTag + 12
	case "syslog.appname":
		return slotTag + 13
	case "_program", "_appname", "_app_name", "_ident", "_syslog_program", "_process_name": // GELF
		return slotTag + 14
	case "facility":
		return slotFacility
	case "FACILITY", "Facility":
		return slotFacility + 1
	case "syslogfacility", "syslog_facility_code":
		return slotFacility + 2
	case "syslogfacility-text", "syslog_facility":
		return slotFacility + 3
	case "log.syslog.facility.code", "syslog.facility.code":
		return slotFacility + 4
	case "log.syslog.facility.name", "syslog.facility.name":
		return slotFacility + 5
	case "_facility", "facility_num", "_facility_num", "syslog_facility_num":
		return slotFacility + 6
	case "facility_label", "syslog.facility", "facility_name", "_syslog_facility":
		return slotFacility + 7
	}
	return noSlot
}

// timeSlot returns the slot of a name of the time: that of the kernel or of the program
// first, that of a log shipper last.
func timeSlot(path []byte) slot {
	n := slot(0)
	switch string(path) {
	case "_SOURCE_REALTIME_TIMESTAMP":
		n = 0
	case "__REALTIME_TIMESTAMP":
		n = 1
	case "timereported": // rsyslog
		n = 2
	case "S_ISODATE": // syslog-ng: sent, then received
		n = 3
	case "S_UNIXTIME":
		n = 4
	case "ISODATE":
		n = 5
	case "UNIXTIME":
		n = 6
	case "event.created":
		n = 31
	case "syslog_timestamp", "EventTime": // Logstash's examples; NXLog, Azure
		n = 8
	case "@timestamp":
		n = 9
	case "timestamp":
		n = 10
	case "Timestamp", "TIMESTAMP":
		n = 11
	case "time":
		n = 12
	case "Time", "TIME":
		n = 13
	case "_time": // Splunk
		n = 14
	case "date": // Fluent Bit
		n = 15
	case "DATE", "Date":
		n = 16
	case "ts":
		n = 17
	case "datetime", "DateTime":
		n = 18
	case "timeUnixNano", "TimeUnixNano", "time_unix_nano": // OpenTelemetry
		n = 19
	case "eventTime", "event_time":
		n = 20
	case "timegenerated": // rsyslog: received
		n = 21
	case "R_ISODATE":
		n = 22
	case "observedTimeUnixNano", "ObservedTimestamp":
		n = 23
	case "logtime", "log_time":
		n = 24
	case "t":
		n = 25
	case "receiveTimestamp", "received_at":
		n = 30
	default:
		return noSlot
	}
	return slotTime + n
}

// maxDepth bounds how deep the arrays and objects of a value that we pass over may
// nest.
const maxDepth = 64

// jsonValue returns the index after the value at i. Within an array or an
// object only brackets and strings are parsed: nothing in it is used.
func jsonValue(b []byte, i int) int {
	start := i
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if _, i = jsonString(b, i); i == failed {
				return failed
			}
			if depth == 0 {
				return i
			}
			i--
		case '[', '{':
			if depth++; depth > maxDepth {
				return failed
			}
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return scalarEnd(start, i)
			}
		case ',':
			if depth == 0 {
				return scalarEnd(start, i)
			}
		}
	}
	return failed
}

// scalarEnd returns i, the end of a value that must not be empty.
func scalarEnd(start, i int) int {
	if i == start {
		return failed
	}
	return i
}

// maxText bounds a decoded message. The kernel writes lines of less than 1,024
// bytes; syslog daemons cut at 8,192.
const maxText = 8192

// jsonText decodes a message. A string without escapes is returned in place; any
// other goes into the scratch space of ev, which it may outgrow once. journalctl
// writes a message that is not UTF-8 as an array of its bytes.
func jsonText(raw []byte, ev *Event) (text []byte, ok bool) {
	if inner := jsonBlanks(raw, 1); len(raw) > inner && raw[0] == '[' && raw[inner] == '"' {
		raw = raw[inner:] // a list of texts, as Elasticsearch returns fields
	}
	if len(raw) > 0 && raw[0] == '[' {
		ev.text, ok = appendBytes(ev.text[:0], raw)
		return ev.text, ok
	}
	raw, end := jsonString(raw, 0)
	if end == failed {
		return nil, false
	}
	if bytes.HasSuffix(raw, []byte(`\n`)) && !bytes.HasSuffix(raw, []byte(`\\n`)) {
		raw = raw[:len(raw)-2] // Docker's, on each line
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	ev.text, ok = appendUnescaped(ev.text[:0], raw)
	return ev.text, ok
}

// jsonString returns the text between the quotes of the string at i, with its escapes,
// and the index after it.
func jsonString(b []byte, i int) (raw []byte, next int) {
	i = after(b, i, `"`)
	if i == failed {
		return nil, failed
	}
	for j, quote := i, i-1; ; {
		if quote < j {
			n := bytes.IndexByte(b[j:], '"')
			if n < 0 {
				return nil, failed
			}
			quote = j + n
		}
		esc := bytes.IndexByte(b[j:quote], '\\')
		if esc < 0 {
			return b[i:quote], quote + 1
		}
		if j += esc + 2; j > len(b) {
			return nil, failed
		}
	}
}

// appendBytes decodes an array of byte values.
func appendBytes(dst, raw []byte) ([]byte, bool) {
	for i := jsonBlanks(raw, 1); len(dst) < maxText; {
		n, j := number(raw, i, 255)
		j = jsonBlanks(raw, j)
		if j >= len(raw) {
			return dst, false
		}
		dst = append(dst, uint8(n))
		if raw[j] == ']' {
			return dst, true
		}
		i = jsonBlanks(raw, after(raw, j, ","))
	}
	return dst, false
}

// jsonBlanks passes over white space (RFC 8259 section 2).
func jsonBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// appendUnescaped decodes the inside of a JSON string.
func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for len(raw) > 0 && len(dst)+len(raw) <= maxText {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			return append(dst, raw...), true
		}
		dst, raw = append(dst, raw[:n]...), raw[n:]
		if len(raw) < 2 {
			return dst, false
		}
		if raw[1] == 'u' {
			r, n := jsonRune(raw)
			if n == 0 {
				return dst, false
			}
			dst, raw = utf8.AppendRune(dst, r), raw[n:]
			continue
		}
		c := bytes.IndexByte([]byte(`"\/bfnrt`), raw[1])
		if c < 0 {
			return dst, false
		}
		dst, raw = append(dst, "\"\\/\b\f\n\r\t"[c]), raw[2:]
	}
	return dst, len(raw) == 0
}

// jsonRune decodes "\uXXXX" or a surrogate pair of them and returns how many bytes
// it took, none if it is malformed.
func jsonRune(raw []byte) (r rune, n int) {
	hi, i := hexByte(raw, 2)
	lo, i := hexByte(raw, i)
	if i == failed {
		return 0, 0
	}
	r = rune(hi)<<8 | rune(lo)
	if utf16.IsSurrogate(r) {
		j := after(raw, i, `\u`)
		hi, j = hexByte(raw, j)
		lo, j = hexByte(raw, j)
		if j != failed {
			if both := utf16.DecodeRune(r, rune(hi)<<8|rune(lo)); both != utf8.RuneError {
				return both, j
			}
		}
		return utf8.RuneError, i
	}
	return r, i
}
