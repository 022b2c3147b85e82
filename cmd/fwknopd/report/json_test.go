package report

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// An entry is valid JSON for any content of its strings.
func FuzzAppendJSON(f *testing.F) {
	f.Add("alice", "uptime -p", "k.pcap")
	f.Add("a\"b\\", "tab\tnewline\n", "\xff\xfe\u2028")
	f.Fuzz(func(t *testing.T, user, command, name string) {
		e := Entry{Time: time.Unix(1700000000, 123456789), Verdict: Command, Reason: policy.SPACommand, Detail: &policy.Detail{Got: user},
			Src: netip.MustParseAddrPort("192.0.2.7:1"), Dst: netip.MustParseAddrPort("[2001:db8::1]:2"), Proto: parse.UDP,
			User: user, Command: command, Input: ingest.Position{Name: name, Record: 7}}
		var got struct {
			User, Command string
			Timestamp     time.Time
			Detail        struct{ Got string }
			Input         struct{ Name string }
		}
		text := AppendJSON(nil, &e)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if bytes.ContainsAny(text, "\n\r") {
			t.Errorf("more than one line: %q", text)
		}
		if string([]rune(user)) != got.User || string([]rune(command)) != got.Command || string([]rune(name)) != got.Input.Name {
			t.Errorf("%q -> %+v", []string{user, command, name}, got)
		}
		if line := AppendLine(nil, &e); bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("more than one line: %q", line)
		}
	})
}

func TestJSONOfGrants(t *testing.T) {
	port := []enforce.Port{{Proto: 6, Number: 22}, {Proto: 1}}
	end := time.Unix(1700000000+30, 999)
	src := netip.MustParseAddr("192.0.2.7")
	for want, g := range map[string]enforce.Grant{
		`{"src":"192.0.2.7","ports":["tcp/22","icmp"],"expires":"2023-11-14T22:13:50Z"}`: {Src: src, Ports: port, Expires: end},
		`{"src":"192.0.2.7","ports":["tcp/22","icmp"],"dst":"10.0.0.1","output":true}`:   {Src: src, Ports: port, Dst: netip.MustParseAddr("10.0.0.1"), Output: true},
		`{"src":"192.0.2.7","ports":["all"],"forward":"any","snat":"masquerade"}`:        {Src: src, All: true, NAT: &enforce.NAT{Masquerade: true}},
		`{"src":"192.0.2.7","ports":["tcp/22","icmp"],"forward":"10.0.0.5:80","local":true,"snat":"10.0.0.1"}`: {Src: src, Ports: port,
			NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80"), Local: true, SNAT: netip.MustParseAddr("10.0.0.1")}},
		`{"src":"192.0.2.7","ports":[],"external":["/bin/open","it's \"it\""]}`: {Src: src, External: &enforce.External{Open: []string{"/bin/open", `it's "it"`}}},
	} {
		e := Entry{Verdict: Granted, Grant: &g, Detail: &policy.Detail{}}
		var got struct{ Grant json.RawMessage }
		if err := json.Unmarshal(AppendJSON(nil, &e), &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Grant) != want {
			t.Errorf("\n got %s\nwant %s", got.Grant, want)
		}
	}
}

// The list represents every form of a grant, and escapes what HTML would read.
func TestGrantsJSON(t *testing.T) {
	now := time.Unix(1700000000, 0)
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), All: true, Dst: netip.MustParseAddr("198.51.100.1"), Output: true, User: "al\x1bice", Stanza: 3,
		Expires: now.Add(1500 * time.Millisecond), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:0"), Local: true, SNAT: netip.MustParseAddr("10.0.0.1")}}
	gone := enforce.Grant{Src: netip.MustParseAddr("2001:db8::7"), Ports: []enforce.Port{{Proto: 58}}, Expires: now.Add(-time.Hour), NAT: &enforce.NAT{Masquerade: true}}
	endless := enforce.Grant{Src: netip.MustParseAddr("192.0.2.8"), Ports: []enforce.Port{{Proto: 6, Number: 22}},
		External: &enforce.External{Open: []string{"/bin/open", "a b", "<&>"}}}
	want := `{"v":1,"grants":[` +
		`{"src":"192.0.2.7","ports":["all"],"expires":"2023-11-14T22:13:21.5Z","remaining_s":1.5,"stanza":3,"user":"al\u001bice","dst":"198.51.100.1","output":true,` +
		`"forward":"10.0.0.5:0","local":true,"snat":"10.0.0.1","stanza_name":"alice"},` +
		`{"src":"2001:db8::7","ports":["icmpv6"],"expires":"2023-11-14T21:13:20Z","remaining_s":0,"forward":"any","snat":"masquerade"},` +
		`{"src":"192.0.2.8","ports":["tcp/22"],"external":["/bin/open","a b","\u003c\u0026\u003e"]}]}` + "\n"
	if got := string(GrantsJSON([]enforce.Grant{g, gone, endless}, TitlesOf(listed, []enforce.Grant{g}), now)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A grant that a hostile worker asks for does not add members to the event about it.
func TestEventOfHostileGrant(t *testing.T) {
	const zone = "x\",\"verdict\":\"granted\n"
	hostile := netip.MustParseAddr("fe80::1").WithZone(zone)
	ev := monitor.Event{Kind: monitor.Refused, Grant: enforce.Grant{Src: hostile, Dst: hostile, Foreign: zone, Expires: time.Unix(1700000000, 0),
		NAT: &enforce.NAT{Target: netip.AddrPortFrom(hostile, 22), SNAT: hostile}, External: &enforce.External{Open: []string{zone}}}}
	var got struct {
		Verdict string
		Grant   struct{ Src, Dst, Forward, SNAT, Foreign, Verdict string }
	}
	text := EventJSON(&ev, "")
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got.Verdict != Refused || got.Grant.Verdict != "" || got.Grant.Src != hostile.String() || got.Grant.Foreign != zone || bytes.Contains(text, []byte("\n")) {
		t.Errorf("%s", text)
	}
}

// Messages and events say whether the administrator asked or the worker.
func TestWhoAsked(t *testing.T) {
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, Expires: time.Unix(1700000000, 0)}
	for _, c := range []struct {
		ev   monitor.Event
		text string
		json string
	}{
		{monitor.Event{Kind: monitor.Granted, Grant: g}, "opened 192.0.2.7 tcp/22 until 2023-11-14T22:13:20Z (stanza 3)", ""},
		{monitor.Event{Kind: monitor.Granted, Grant: g, ByHand: true}, "opened 192.0.2.7 tcp/22 until 2023-11-14T22:13:20Z (stanza 3) by the administrator", "administrator"},
		{monitor.Event{Kind: monitor.Refused, Grant: g, Err: enforce.ErrPort}, "refused what the worker asked for: 192.0.2.7 tcp/22: port is not offered (stanza 3)", ""},
		{monitor.Event{Kind: monitor.Refused, Grant: g, Err: enforce.ErrPort, ByHand: true}, "refused what the administrator asked for: 192.0.2.7 tcp/22: port is not offered (stanza 3)", "administrator"},
	} {
		var got struct{ By string }
		if err := json.Unmarshal(EventJSON(&c.ev, ""), &got); err != nil || got.By != c.json {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
		if text := EventText(&c.ev, "", "stanza 3"); text != c.text {
			t.Errorf("%s\nwant %s", text, c.text)
		}
	}
}
