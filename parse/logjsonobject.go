package parse

import "bytes"

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
	slotStream   // that a container wrote to
	slotInput    // of Filebeat: the kind of source
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
		"process", "systemd", "input", "journald", "body", "Body":
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
	case "stream": // Docker, Fluent Bit, Filebeat, Promtail
		return slotStream
	case "input.type":
		return slotInput
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
