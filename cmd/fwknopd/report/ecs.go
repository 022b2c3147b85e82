package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ecsVersion is the version of the Elastic Common Schema whose fields [AppendECS] uses.
const ecsVersion = "8.17.0"

// An Observer is what ECS objects say of the program that makes them.
type Observer struct {
	Hostname string // "": not said
	Version  string
}

// categories are the ECS categorization of an event. Words are separated by blanks; an
// event of more than one category has types of each.
type categories struct {
	kind, category, types string
	outcome               string // "": unknown, or as the command ended
}

// Values of event.outcome.
const (
	success = "success"
	failure = "failure"
)

var (
	granted   = categories{"event", "authentication network", "info allowed", success}
	refused   = categories{"event", "authentication network", "info denied", failure}
	opened    = categories{"event", "network", "start allowed", success}
	stillOpen = categories{"event", "network", "info allowed", success}
	closed    = categories{"event", "network", "end", success}
)

// AppendECS appends an object of the event log, as [AppendJSON], [EventJSON] and the others
// make it, in the Elastic Common Schema. What ECS has no field for is in the object fwknopd,
// with its name. message is the text of the event, "" for none. An event without a time has no
// @timestamp.
func AppendECS(b, event []byte, message string, by Observer) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(event, &members) != nil {
		return append(b, event...) // not reached: events are objects
	}
	out := make(tree)
	out.set("ecs.version", ecsVersion)
	out.set("observer.product", "fwknopd")
	out.set("observer.type", "firewall")
	out.setText("observer.version", by.Version)
	out.setText("observer.hostname", by.Hostname)
	out.setText("message", message)
	for name, value := range members {
		switch f, _ := fieldOf(name); {
		case string(value) == "null":
		case f.ECS != "":
			out.set(f.ECS, value)
		default:
			out.set("fwknopd."+name, value)
		}
	}
	out.categorize(event)
	text, err := json.Marshal(out)
	if err != nil {
		return append(b, event...) // not reached: all values are JSON
	}
	return appendEscaped(b, text)
}

// A tree is an object whose members are values or trees.
type tree map[string]any

// set sets a member of an object below t; names are separated by dots.
func (t tree) set(name string, value any) {
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		t[name] = value
		return
	}
	below, _ := t[outer].(tree)
	if below == nil {
		below = make(tree)
		t[outer] = below
	}
	below.set(inner, value)
}

func (t tree) setText(name, value string) {
	if value != "" {
		t.set(name, value)
	}
}

// categorize sets the fields that ECS derives: the categories, the code and the text of the
// reason, the rule, and what kind of packet it was.
func (t tree) categorize(event []byte) {
	var e struct {
		Logged
		Proto    string  `json:"proto"`
		Status   *int    `json:"status"`
		TimedOut bool    `json:"timed_out"`
		TookS    float64 `json:"took_s"`
	}
	if json.Unmarshal(event, &e) != nil {
		return
	}
	t.set("event.dataset", "fwknopd.events")
	t.set("event.provider", "fwknopd")
	t.set("event.action", e.Type+"-"+e.Verdict)
	t.setText("event.reason", meanings[e.Reason].Text)
	if k, known := eventOf(e.Type, e.Verdict); known {
		t.set("event.kind", k.ecs.kind)
		t.set("event.category", strings.Fields(k.ecs.category))
		t.set("event.type", strings.Fields(k.ecs.types))
		outcome := k.ecs.outcome
		switch {
		case outcome == "" && e.Status == nil:
			outcome = "unknown"
		case outcome == "" && *e.Status == 0 && !e.TimedOut && e.Error == "":
			outcome = success
		case outcome == "":
			outcome = failure
		}
		t.set("event.outcome", outcome)
	}
	if e.TookS > 0 {
		t.set("event.duration", int64(e.TookS*float64(time.Second)))
	}
	if e.Stanza != 0 {
		t.set("rule.id", strconv.Itoa(e.Stanza))
	}
	t.setPacket(e.Proto, e.Src)
}

// transports are the names that ECS has for protocols.
var transports = map[string]string{"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "ICMPv6": "ipv6-icmp"}

// setPacket sets network.*.
func (t tree) setPacket(proto, src string) {
	if name := transports[proto]; name != "" {
		t.set("network.transport", name)
	} else {
		t.setText("network.iana_number", proto)
	}
	if a, err := netip.ParseAddr(src); err == nil && proto != "" {
		if a.Is4() {
			t.set("network.type", "ipv4")
		} else {
			t.set("network.type", "ipv6")
		}
	}
}

// Plain returns an object of the event log as [AppendJSON] and the others make it, also if
// [AppendECS] made the line. What is neither is returned as it is.
func Plain(line []byte) []byte {
	if !bytes.Contains(line, []byte(`"ecs"`)) { // spares most lines the first decoding
		return line
	}
	var ecs struct {
		ECS     json.RawMessage            `json:"ecs"`
		Members map[string]json.RawMessage `json:"fwknopd"`
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(line, &ecs) != nil || ecs.ECS == nil || ecs.Members == nil || json.Unmarshal(line, &nested) != nil {
		return line
	}
	for i := range eventFields {
		if f := &eventFields[i]; f.ECS != "" {
			if value := memberOf(nested, f.ECS); value != nil {
				ecs.Members[f.Name] = value
			}
		}
	}
	text, err := json.Marshal(ecs.Members)
	if err != nil {
		return line // not reached: all values are JSON
	}
	return appendEscaped(nil, text)
}

// memberOf returns a value inside an object, nil if there is none.
func memberOf(object map[string]json.RawMessage, name string) json.RawMessage {
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		return object[name]
	}
	var below map[string]json.RawMessage
	if json.Unmarshal(object[outer], &below) != nil {
		return nil
	}
	return memberOf(below, inner)
}
