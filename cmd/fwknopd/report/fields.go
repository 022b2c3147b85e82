package report

import (
	"strings"

	"fwknopd/enforce/monitor"
)

// An eventField is a member of the objects of the event log and of the JSON output of replay,
// explain and why. eventFields has all of them; fwknopd-events(5) is made from it.
type eventField struct {
	Name  string // with those of the objects around it, as "grant.src"
	Type  string // of JSON, with what the text is
	Unit  string // "" if it has none
	When  string // in which events it stands
	Text  string
	Since string // release
	ECS   string // the ECS field that has the value; "": fwknopd.NAME
}

// first is the release that brought the event log.
const first = "0.1.0"

// Types of fields.
const (
	text    = "string"
	integer = "integer"
	number  = "number"
	boolean = "boolean"
	object  = "object"
	texts   = "array of strings"
	address = "string, an IP address"
	instant = "string, RFC 3339 in UTC"
)

// Events that many fields belong to.
const (
	always      = "always"
	ofDecisions = "decisions"
	ofGrants    = "where a grant stands"
	ofKnocks    = "refused knock sequences"
)

// eventFields has every member that an event can have.
var eventFields = []eventField{
	{"v", integer, "", always, "Version of the format, 1. Members may be added to it, never removed or changed.", first, ""},
	{"timestamp", instant + ", or null", "", always, "When it was: for a decision the time of the packet; null if the record has none.", first, "@timestamp"},
	{"event_type", text, "", always, "What kind of event; see EVENTS.", first, ""},
	{"verdict", text, "", always, "What happened; see EVENTS.", first, ""},
	{"reason", text, "", "decisions, but for the end of a grant in replay", "Code of the reason; fwknopd(8) has what each means.", first, "event.code"},

	{"src_ip", address, "", "where a client is known", "Source of the packet, or the client.", first, "source.ip"},
	{"src_port", integer, "", "decisions on TCP and UDP", "Its port.", first, "source.port"},
	{"dest_ip", address, "", ofDecisions, "Destination of the packet.", first, "destination.ip"},
	{"dest_port", integer, "", "decisions on TCP and UDP", "Its port.", first, "destination.port"},
	{"proto", text, "", ofDecisions, "TCP, UDP, ICMP, ICMPv6, or the number of the protocol.", first, ""},
	{"stanza", integer, "line of the access file", "where a stanza decided", "Line of the SOURCE keyword of the stanza.", first, ""},
	{"stanza_name", text, "", "where the stanza has a NAME", "That name.", first, "rule.name"},
	{"user", text, "", "where a user is known", "User in the message, or whose password was wrong.", first, "user.name"},
	{"mode", text, "", ofDecisions, "What the packet was looked at as: spa or knock.", first, ""},
	{"shadow", boolean, "", "stanzas with SHADOW Y", "True: nothing is opened.", first, ""},
	{"degraded", boolean, "", "FLEET_ON_PARTITION local", "True: it was granted without a quorum of the fleet, so that another gateway may have honoured the message too.", first, ""},
	{"announced_by", text, "", "FLEET_GROUP", "The gateway of the group that has honoured the message and announced it; the packet came there, and what is said of it is that gateway's word.", first, ""},
	{"command", text, "", "decisions and events of commands", "The command that the client asked for.", first, "process.command_line"},

	{"detail", object, "", "refusals, where there is more to say", "The numbers behind the reason.", first, ""},
	{"detail.age_s", integer, "seconds", "spa.stale, spa.future", "Age of the message; negative if it is from later.", first, ""},
	{"detail.max_age_s", integer, "seconds", "spa.stale, spa.future", "MAX_SPA_PACKET_AGE.", first, ""},
	{"detail.first_seen", instant, "", "replays", "When the message was seen first.", first, ""},
	{"detail.first_src", address, "", "replays", "Where it came from then.", first, ""},
	{"detail.step", integer, "", ofKnocks, "Which knock it was, from 1.", first, ""},
	{"detail.steps", integer, "", ofKnocks, "How many the sequence has.", first, ""},
	{"detail.gap_s", number, "seconds", "intervals of knocks", "Time since the knock before, or since the first one (knock.timeout).", first, ""},
	{"detail.limit_s", number, "seconds", "intervals of knocks", "What the stanza allows.", first, ""},
	{"detail.limit", integer, "", "limits that are numbers", "What the stanza allows.", first, ""},
	{"detail.port", text, "", "refused ports", "The port, as tcp/80.", first, ""},
	{"detail.want", text, "", "refusals for a value", "What the stanza wants.", first, ""},
	{"detail.got", text, "", "refusals for a value", "What the message has.", first, ""},
	{"detail.signer", text, "", "OpenPGP", "Who signed the message.", first, ""},
	{"detail.text", text, "", "refusals without numbers", "Explanation.", first, ""},

	{"grant", object, "", "granted decisions, events of grants", "What is opened, or was.", first, ""},
	{"would_grant", object, "", "verdict shadow", "What would be opened; members as those of grant.", first, ""},
	{"grant.src", address, "", ofGrants, "Client that it is for.", first, ""},
	{"grant.sources", texts, "", "GRANT_PREFIX, GRANT_ADDRESS both", "All that is let in, addresses or networks, as 192.0.2.0/24; src is the first address of the first. Without it src alone is let in.", first, ""},
	{"grant.ports", texts, "", ofGrants, "Ports, as tcp/22 or icmp; or all.", first, ""},
	{"grant.expires", instant, "", "grants that end", "When it ends.", first, ""},
	{"grant.dst", address, "", "grants for one address", "The address of this host.", first, ""},
	{"grant.output", boolean, "", "ENABLE_OUTPUT_ACCESS", "True: the answers are let out too.", first, ""},
	{"grant.forward", text, "", "translations", "Where to, as 10.0.0.5:80; or any.", first, ""},
	{"grant.local", boolean, "", "translations", "True: to this host.", first, ""},
	{"grant.snat", text, "", "translations", "Source that is put in: an address, or masquerade.", first, ""},
	{"grant.external", texts, "", "EXTERNAL_CMD_OPEN", "The command that opens it, by arguments.", first, ""},
	{"grant.foreign", text, "", "rules of other programs", "The rule.", first, ""},
	{"by", text, "", "grants that no packet asked for", "administrator: fwknopd grants add asked for it.", first, ""},
	{"connections", object, "", "verdict cut", "What became of the connections through a grant that has ended.", first, ""},
	{"connections.open", integer, "", "verdict cut", "How many go on; error says why.", first, ""},
	{"connections.ended", integer, "", "verdict cut", "How many of programs on this host were ended.", first, ""},
	{"connections.cut", integer, "", "verdict cut", "How many that are forwarded or by UDP the firewall does not know any more.", first, ""},
	{"blocked_by", texts, "", "events of grants", "Chains of other rules that still drop the packets.", first, ""},

	{"error", text, "", "where something failed", "What went wrong.", first, "error.message"},
	{"status", integer, "exit status", "commands that were run", "How the command ended; -1 if a signal ended it.", first, "process.exit_code"},
	{"output", text, "", "commands that wrote something", "Beginning of what it wrote.", first, ""},
	{"timed_out", boolean, "", "commands that took too long", "True: it was killed.", first, ""},
	{"took_s", number, "seconds", "commands that were run", "How long it ran.", first, ""},
	{"file", text, "", "event_type password", "The file of passwords.", first, "file.path"},
	{"count", integer, "", "summaries, losses, restarts, passwords", "How many: refusals that are not told one by one, events that were lost, restarts, wrong passwords before this one.", first, ""},
	{"reasons", object, "", "event_type suppressed", "How many refusals for each reason; its members are codes of reasons.", first, ""},
	{"sources", integer, "", "event_type suppressed", "How many sources they came from, at most 4096 are counted.", first, ""},
	{"step_s", number, "seconds", "verdict clock", "By how much the clock was set.", first, ""},
	{"refused_before", instant, "", "verdict digests.lost", "Messages sent before are refused.", first, ""},
	{"stanzas", integer, "", "verdict loaded", "How many stanzas the configuration has.", first, ""},
	{"problems", "array of objects", "", "event_type reload", "Errors and warnings in the configuration, each with file, line, keyword, severity, text and hint as check prints them.", first, ""},

	{"input", object, "", "replay and explain", "Where the packet stands.", first, ""},
	{"input.name", text, "", "replay and explain", "The file.", first, ""},
	{"input.record", integer, "", "replay and explain", "Number of the record in it, from 1.", first, ""},
	{"was", object, "", "replay --what-if", "What the other stanzas decide; members as those of a decision.", first, ""},
	{"remedy", text, "", "refusals in explain and why", "What there is to do.", first, ""},
	{"trace", object, "", "explain", "The checks that led to the decision; see explain in fwknopd(8).", first, ""},
}

// An eventKind is what event_type and verdict say together.
type eventKind struct {
	Type, Verdict string
	Text          string
	ecs           categories
}

// eventKinds has every kind of event.
var eventKinds = []eventKind{
	{"decision", Granted, "A message or sequence was accepted. What came of it say events of type grant.", granted},
	{"decision", Refused, "It was refused.", refused},
	{"decision", Command, "A message asked for a command, which is allowed.", granted},
	{"decision", Shadow, "A stanza with SHADOW Y would have accepted it.", categories{"event", "authentication network", "info", ""}},
	{"decision", Ignored, "The packet means nothing to any stanza (explain alone).", categories{"event", "network", "info", ""}},
	{"decision", Expired, "The grant has ended (replay alone).", closed},

	{"grant", string(monitor.Granted), "A grant was opened.", opened},
	{"grant", string(monitor.Extended), "A grant that was open ends later.", stillOpen},
	{"grant", string(monitor.Kept), "A grant that was open ends later already.", stillOpen},
	{"grant", string(monitor.Adopted), "A grant was open when the daemon started.", stillOpen},
	{"grant", string(monitor.Repaired), "Another program had closed a grant; it is open again.", opened},
	{"grant", string(monitor.Postponed), "A grant stays open for a connection.", stillOpen},
	{"grant", string(monitor.Blocked), "A grant is open, but another rule has begun to drop its packets.", categories{"event", "network", "info denied", failure}},
	{"grant", string(monitor.Expired), "A grant was closed, its time is over.", closed},
	{"grant", string(monitor.Revoked), "A grant was closed on request.", closed},
	{"grant", string(monitor.Cut), "Connections through a grant of a stanza with CLOSE_CONNECTIONS were ended after it, or could not be; or what they send is not rejected, so that they may go on.", closed},
	{"grant", string(monitor.Refused), "The worker asked for what the configuration does not offer, or for more than MAX_GRANTS.", categories{"event", "network", "info denied", failure}},
	{"grant", string(monitor.Failed), "The firewall or a program returned an error.", categories{"event", "network", "info", failure}},

	{"command", string(monitor.CommandRan), "A command of a client was run.", categories{"event", "process", "start end", ""}},
	{"password", Refused, "A password for REQUIRE_AUTH_METHOD was wrong or could not be checked.", categories{"event", "authentication", "info", failure}},
	{"suppressed", Refused, "Refusals that are not told one by one.", refused},

	{"worker", string(monitor.WorkerStarted), "The unprivileged process was started.", categories{"event", "process", "start", success}},
	{"worker", string(monitor.WorkerDied), "It died.", categories{"event", "process", "end", failure}},
	{"worker", string(monitor.WorkerGaveUp), "It could not be started again; the daemon ends when all is closed.", categories{"event", "process", "end", failure}},
	{"worker", string(monitor.Violation), "It broke the protocol, as one that is taken over would, and was ended.", categories{"alert", "intrusion_detection process", "info", failure}},

	{"reload", ReloadLoaded, "The configuration was read again and is in force.", categories{"event", "configuration", "change", success}},
	{"reload", ReloadRefused, "It has errors; the one before stays in force.", categories{"event", "configuration", "info", failure}},
	{"reload", ReloadNotApplied, "The worker keeps the one before, for the reason that it gives.", categories{"event", "configuration", "info", failure}},

	{"monitor", string(monitor.Contested), "Another program removes again and again what the daemon opens.", categories{"event", "configuration", "change", failure}},
	{"monitor", string(monitor.Bypassed), "A rule has begun to let packets past the guard of GUARD_FORWARD without a grant.", categories{"event", "configuration", "change", failure}},
	{"monitor", string(monitor.ClockStep), "The clock was set.", categories{"event", "host", "change", ""}},
	{"monitor", string(monitor.Lost), "Events were lost, as the log was too slow or its disk full.", categories{"event", "host", "info", failure}},
	{"monitor", digestsLost, "The journal of seen messages may lack some; messages sent before are refused.", categories{"event", "file", "info", failure}},
}

// fieldOf returns the row of a member; ok is false if there is none. Members of
// would_grant and was have the rows of those that they are like.
func fieldOf(name string) (f eventField, ok bool) {
	name = strings.TrimPrefix(name, "was.")
	if rest, inside := strings.CutPrefix(name, "would_grant."); inside {
		name = "grant." + rest
	}
	for _, f := range eventFields {
		if f.Name == name {
			return f, true
		}
	}
	return f, false
}

// eventOf returns the row of a kind of event; ok is false if there is none.
func eventOf(kind, verdict string) (e eventKind, ok bool) {
	for _, e := range eventKinds {
		if e.Type == kind && e.Verdict == verdict {
			return e, true
		}
	}
	return e, false
}
