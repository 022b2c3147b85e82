package parse

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
	slotTag      = slotText + slot(len(textNames))
	slotFacility = slotTag + slot(len(tagNames))
	slotTime     = slotFacility + slot(len(facilityNames))
	slotRealtime = slotTime + 1
	slotUptime   = slotTime + 11 // "time" in dmesg --json
	slots        = slotTime + slot(len(timeNames))
)

// singleNames are the names of the slots that are in no group.
var singleNames = [slotText][]string{
	slotTransport: {"_TRANSPORT", "systemd.transport", "journald.transport"}, // journalctl, Vector, Fluent Bit; Filebeat
	slotUlogd:     {"oob.hook", "oob.prefix", "oob.time.sec", "raw.pktlen"},
	slotPri:       {"pri"},
	slotPriority:  {"priority"},
	slotSequence:  {"sequence"},
	slotSec:       {"sec"},
	slotUsec:      {"usec"},
	slotStream:    {"stream"}, // Docker, Fluent Bit, Filebeat, Promtail
	slotInput:     {"input.type"},
}

// textNames are the names of the message.
var textNames = [...][]string{
	{"MESSAGE"},             // journal, syslog-ng
	{"event.original"},      // Logstash, Elastic Agent
	{"rawmsg"},              // rsyslog
	{"full_message"},        // GELF
	{"message"},             // Filebeat, Logstash, Vector, rsyslog, Fluentd
	{"msg"},                 // rsyslog
	{"log"},                 // Docker, Fluent Bit
	{"short_message"},       // GELF
	{"_raw"},                // Splunk, Cribl
	{"@message", "Message"}, // CloudWatch
	{"line", "Line"},        // Loki
	{"textPayload"},         // Google Cloud
	{"body", "Body", "body.stringValue", "Body.stringValue"}, // OpenTelemetry
	{"raw", "raw_message", "rawMessage", "original"},
	{"text"},
	{"content", "data", "payload"},
	{"syslog_message", "SyslogMessage"}, // Logstash's examples; Azure
	{"rawmsg-after-pri"},
	{"MSG", "log.original"},
	{"value"},
	{"event"}, // Splunk's HTTP event collector
}

// tagNames are the names of the tag. The first may label other things as well.
var tagNames = [...][]string{
	{"tag"},
	{"syslogtag"},
	{"programname"},
	{"program"},
	{"PROGRAM"},
	{"appname", "app_name"},
	{"app-name", "APP-NAME"},
	{"ident"},
	{"application_name", "_application_name"},
	{"process.name"},
	{"log.syslog.appname"},
	{"syslog_program", "ProcessName"},
	{"syslog.identifier", "syslog_identifier"},
	{"syslog.appname"},
	{"_program", "_appname", "_app_name", "_ident", "_syslog_program", "_process_name"}, // GELF
}

// facilityNames are the names of the facility.
var facilityNames = [...][]string{
	{"facility"},
	{"FACILITY", "Facility"},
	{"syslogfacility", "syslog_facility_code"},
	{"syslogfacility-text", "syslog_facility"},
	{"log.syslog.facility.code", "syslog.facility.code"},
	{"log.syslog.facility.name", "syslog.facility.name"},
	{"_facility", "facility_num", "_facility_num", "syslog_facility_num"},
	{"facility_label", "syslog.facility", "facility_name", "_syslog_facility"},
}

// timeNames are the names of the time: that of the kernel or of the program first, that of
// a log shipper last.
var timeNames = [...][]string{
	{"_SOURCE_REALTIME_TIMESTAMP"},
	{"__REALTIME_TIMESTAMP"},
	{"timereported"}, // rsyslog
	{"S_ISODATE"},    // syslog-ng: sent, then received
	{"S_UNIXTIME"},
	{"ISODATE"},
	{"UNIXTIME"},
	{"syslog_timestamp", "EventTime"}, // Logstash's examples; NXLog, Azure
	{"@timestamp"},
	{"timestamp"},
	{"Timestamp", "TIMESTAMP"},
	{"time"},
	{"Time", "TIME"},
	{"_time"}, // Splunk
	{"date"},  // Fluent Bit
	{"DATE", "Date"},
	{"ts"},
	{"datetime", "DateTime"},
	{"timeUnixNano", "TimeUnixNano", "time_unix_nano"}, // OpenTelemetry
	{"eventTime", "event_time"},
	{"timegenerated"}, // rsyslog: received
	{"R_ISODATE"},
	{"observedTimeUnixNano", "ObservedTimestamp"},
	{"logtime", "log_time"},
	{"t"},
	{"receiveTimestamp", "received_at"},
	{"event.created"},
}

// slotOf has the slot of each known name.
var slotOf = func() map[string]slot {
	of := make(map[string]slot)
	for _, group := range [...]struct {
		first slot
		names [][]string
	}{
		{0, singleNames[:]}, {slotText, textNames[:]}, {slotTag, tagNames[:]},
		{slotFacility, facilityNames[:]}, {slotTime, timeNames[:]},
	} {
		for i, names := range group.names {
			for _, name := range names {
				of[name] = group.first + slot(i)
			}
		}
	}
	return of
}()
