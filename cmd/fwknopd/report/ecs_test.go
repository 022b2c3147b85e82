package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/golden"
)

// TestECSGolden has the ECS form of every kind of event.
func TestECSGolden(t *testing.T) {
	var out []byte
	for _, s := range samples() {
		out = append(AppendECS(out, []byte(s.object), s.message, Observer{Hostname: "gate", Version: "0.1.0"}), '\n')
	}
	golden.Compare(t, "testdata/ecs.golden", out)
}

// ecsFields are fields of ECS 8.17 that events may have, with the types that its reference
// gives them.
var ecsFields = map[string]string{
	"@timestamp": "date", "message": "text", "ecs.version": "keyword", "error.message": "text",
	"event.action": "keyword", "event.category": "array", "event.code": "keyword", "event.dataset": "keyword", "event.duration": "long",
	"event.kind": "keyword", "event.outcome": "keyword", "event.provider": "keyword", "event.reason": "keyword", "event.type": "array",
	"source.ip": "ip", "source.port": "long", "destination.ip": "ip", "destination.port": "long",
	"network.transport": "keyword", "network.iana_number": "keyword", "network.type": "keyword",
	"observer.hostname": "keyword", "observer.product": "keyword", "observer.type": "keyword", "observer.version": "keyword",
	"process.command_line": "keyword", "process.exit_code": "long", "rule.id": "keyword", "rule.name": "keyword", "user.name": "keyword", "file.path": "keyword",
}

// ecsTypes are the types that ECS expects in each category.
var ecsTypes = map[string]string{
	"authentication": "start end info", "configuration": "access change creation deletion info", "file": "access change creation deletion info",
	"host": "access change end info start", "intrusion_detection": "allowed denied info", "network": "access allowed connection denied end info protocol start",
	"process": "access change end info start",
}

// TestECSFields: outside of fwknopd.* there are fields of ECS alone, with values of their types,
// and the categorization is one that ECS expects.
func TestECSFields(t *testing.T) {
	for _, s := range samples() {
		text := AppendECS(nil, []byte(s.object), s.message, Observer{"gate", "1"})
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		delete(members, "fwknopd")
		walk(members, "", func(name string) {
			value := memberValue(members, name)
			if _, object := value.(map[string]any); object {
				return
			}
			got := reflect.TypeOf(value).Kind()
			want := map[string]reflect.Kind{"long": reflect.Float64, "array": reflect.Slice, "": reflect.Invalid}
			kind, listed := want[ecsFields[name]]
			if !listed {
				kind = reflect.String
			}
			if got != kind {
				t.Errorf("%s is %s, which ECS has not: %s", name, got, text)
			}
		})
		var e struct {
			Event struct {
				Category, Type []string
				Kind, Outcome  string
			}
		}
		if err := json.Unmarshal(text, &e); err != nil || e.Event.Kind != "event" && e.Event.Kind != "alert" ||
			!slices.Contains([]string{success, failure, "unknown"}, e.Event.Outcome) || len(e.Event.Type) == 0 {
			t.Errorf("%v: %s", err, text)
		}
		for _, typ := range e.Event.Type {
			if !slices.ContainsFunc(e.Event.Category, func(c string) bool { return slices.Contains(strings.Fields(ecsTypes[c]), typ) }) {
				t.Errorf("%s is not expected in %v: %s", typ, e.Event.Category, text)
			}
		}
	}
}

func memberValue(members map[string]any, name string) any {
	outer, inner, nested := strings.Cut(name, ".")
	if below, is := members[outer].(map[string]any); nested && is {
		return memberValue(below, inner)
	}
	return members[name]
}

// TestPlain: the ECS form of an event has all of it; what it is made from comes back. A line of
// the event log is returned as it is, and so is one that is no event.
func TestPlain(t *testing.T) {
	for _, s := range samples() {
		var want, got map[string]any
		text := Plain(AppendECS(nil, []byte(s.object), s.message, Observer{Version: "1"}))
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if err := json.Unmarshal([]byte(s.object), &want); err != nil {
			t.Fatal(err)
		}
		if want["timestamp"] == nil {
			delete(want, "timestamp")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %s\nwant %s", text, s.object)
		}
		e, err := ParseLogged(AppendECS(nil, []byte(s.object), "", Observer{}))
		if err != nil || e.Verdict != want["verdict"] || e.Src != "" && e.Src != want["src_ip"] {
			t.Errorf("%v, %+v of %s", err, e, s.object)
		}
	}
	for _, line := range []string{`{"v":1,"verdict":"lost"}`, `{"ecs":{}}`, `{"ecs":1,"fwknopd":2}`, `{"ecs":{"version"`, "", "x"} {
		if got := Plain([]byte(line)); string(got) != line {
			t.Errorf("%s became %s", line, got)
		}
	}
}

// FuzzAppendECS: an ECS object is one line of JSON for any text of a packet, without characters
// that control a terminal, and the text comes back.
func FuzzAppendECS(f *testing.F) {
	f.Add("alice", "uptime <&> -p")
	f.Add("a\"b\\\u2028", "\x1b[2J\n\xff")
	f.Fuzz(func(t *testing.T, user, command string) {
		e := sampleEntries(sampleTime)[0]
		e.User, e.Command = user, command
		text := AppendECS(nil, AppendJSON(nil, e), user, Observer{})
		var got struct{ User, Command string }
		if err := json.Unmarshal(Plain(text), &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if bytes.ContainsAny(text, "\n\r\x1b") || got.User != string([]rune(user)) || got.Command != string([]rune(command)) {
			t.Errorf("%q, %q: %s", user, command, text)
		}
	})
}
