package report

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// hostile has every kind of character that must not reach a terminal or a log: control
// characters of ASCII and of ISO 8859, a newline, marks that turn text around, characters
// without width, line separators, tags, private use, and bytes that are not UTF-8.
const hostile = "a\x1b[2J\r\n\x7f\u009b2J\u202eb\u2066c\u2069\u200b\u200f\u2028\u2029\ufeff\u00ad\u061c\U000e0041\ue000\xff\xc0z"

// graphic reports the first character of text that must not be printed.
func graphic(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !conf.Graphic(r) {
			t.Errorf("%s: %q in %q", what, r, text)
			return
		}
	}
}

// Text of packets, firewalls and programs controls neither a terminal nor a log: in text
// it is replaced or quoted, in JSON escaped, so that nothing of it is lost.
func TestHostileTexts(t *testing.T) {
	src := netip.MustParseAddr("192.0.2.7")
	g := enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, User: hostile, Foreign: hostile,
		External: &enforce.External{Open: []string{"/bin/gate", hostile}}}
	e := Entry{
		Verdict: Refused, Reason: policy.SPAUser, Src: netip.AddrPortFrom(src, 1), User: hostile, Command: hostile, Grant: &g,
		Detail: &policy.Detail{FirstSrc: hostile, Port: hostile, Want: hostile, Got: hostile, Signer: hostile, Text: hostile},
	}
	e.Input.Name = hostile
	access := &conf.Access{Stanzas: []conf.Stanza{{Number: 1, Pos: conf.Pos{File: "/etc/" + hostile, Line: 3}}}}
	g.Stanza = 3
	e.Title, e.Name = access.TitleOf(1, 3)
	titles := TitlesOf(access, []enforce.Grant{g})
	trace := policy.Trace{Packet: []policy.Check{{Name: "x", Reason: policy.SPAUser, Detail: *e.Detail}}}
	object, err := AppendTraceJSON(nil, &trace, &e)
	if err != nil {
		t.Fatal(err)
	}
	ev := monitor.Event{Kind: monitor.CommandRan, Err: errors.New(hostile), Blocked: []string{hostile}, Grant: g,
		Command: monitor.Command{Stanza: 1, Text: hostile, User: hostile, Src: hostile}, Result: monitor.Result{Output: hostile}}
	refused := e
	refused.Grant, refused.Command = nil, ""
	for what, text := range map[string]string{
		"line": string(AppendLine(nil, &e)), "refusal": string(AppendLine(nil, &refused)), "trace": string(AppendTrace(nil, &trace, &e)),
		"list": string(ListText([]enforce.Grant{g}, titles, time.Now())),
	} {
		graphic(t, what, text)
	}
	for what, text := range map[string]string{
		"decision": string(AppendJSON(nil, &e)), "trace": string(object), "grants": string(GrantsJSON([]enforce.Grant{g}, titles, time.Now())), "event": string(EventJSON(&ev, "")),
	} {
		graphic(t, what+" in JSON", text)
		var members map[string]any
		if err := json.Unmarshal([]byte(text), &members); err != nil || strings.Count(strings.TrimSpace(text), "\n") > 0 {
			t.Errorf("%s: %v in %q", what, err, text)
		}
		if user, ok := members["user"].(string); ok && user != strings.ToValidUTF8(hostile[:len(hostile)-3], "")+"\ufffd\ufffdz" {
			t.Errorf("%s: the user is %q", what, user)
		}
	}
}
