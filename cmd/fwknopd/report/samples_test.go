package report

import (
	"errors"
	"net/netip"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

var sampleTime = time.Date(2026, 11, 27, 9, 40, 0, 0, time.UTC)

// A sample is an event with its message.
type sample struct{ object, message string }

// samples returns events of all kinds, which together have all members.
func samples() (list []sample) {
	at := sampleTime
	for i, e := range sampleEntries(at) {
		text := AppendJSON(nil, e)
		if i == 0 {
			text = AppendDifferenceJSON(nil, e, e)
		}
		list = append(list, sample{string(text), string(AppendText(nil, e))})
	}
	text, _ := AppendTraceJSON(nil, &policy.Trace{}, sampleEntries(at)[0])
	list = append(list, sample{object: string(text)})
	for _, ev := range sampleEvents(at) {
		list = append(list, sample{string(EventJSON(ev, "alice")), EventText(ev, "gate", "stanza alice (access.conf:3)")})
	}
	s := Suppressed{Time: at, Reasons: []ReasonCount{{policy.NoStanza, 3}}, Sources: 1, Src: netip.MustParseAddr("192.0.2.7")}
	for _, r := range []Reload{NewReload(at, 3, nil), NewReload(at, 0, conf.Problems{{Pos: conf.Pos{File: "access.conf", Line: 3}, Text: "wrong"}}), NotApplied(at, "UDP: busy")} {
		list = append(list, sample{string(r.JSON()), r.Text()})
	}
	return append(list, sample{string(s.JSON()), s.Text()},
		sample{string(DigestsLostJSON(at, "the file is gone", at)), DigestsLostText("the file is gone", at)})
}

// fullGrant has every field.
func fullGrant(at time.Time) *enforce.Grant {
	host := netip.MustParseAddr("198.51.100.1")
	return &enforce.Grant{Src: netip.MustParseAddr("192.0.2.0"), Bits: 24, Also: netip.MustParsePrefix("203.0.113.9/32"), Ports: []enforce.Port{{Proto: parse.TCP, Number: 22}}, Dst: host, Output: true,
		Stanza: 3, User: "alice", Expires: at.Add(time.Minute), Foreign: "a rule", External: &enforce.External{Open: []string{"/sbin/gate"}},
		NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80"), Local: true, SNAT: host}}
}

// sampleEntries returns a decision of each verdict; the first has all numbers of a refusal.
func sampleEntries(at time.Time) (list []*Entry) {
	age, most, n, gap := int64(600), int64(120), 3, 1.5
	detail := &policy.Detail{AgeS: &age, MaxAgeS: &most, FirstSeen: &at, FirstSrc: "192.0.2.9", Step: &n, Steps: &n, GapS: &gap, LimitS: &gap,
		Limit: &n, Port: "tcp/80", Want: "alice", Got: "bob", Signer: "0123ABCD", Text: "explained"}
	for _, d := range []struct {
		verdict string
		reason  policy.Reason
	}{{Refused, policy.SPAStale}, {Granted, policy.SPAGranted}, {Command, policy.SPACommand}, {Shadow, policy.SPAGranted}, {Ignored, ""}, {Expired, ""}} {
		e := &Entry{Time: at, Verdict: d.verdict, Reason: d.reason, Src: netip.MustParseAddrPort("192.0.2.7:41000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"),
			Proto: parse.UDP, Stanza: 3, Title: "stanza alice (access.conf:3)", Name: "alice", User: "alice", Mode: policy.ModeSPA, Input: ingest.Position{Name: "a.pcap", Record: 7}}
		switch d.verdict {
		case Refused:
			e.Detail = detail
		case Command:
			e.Command = "uptime"
		case Granted, Expired:
			e.Grant, e.Degraded, e.From = fullGrant(at), d.verdict == Granted, "gw2"
		case Shadow:
			e.Grant, e.Shadow = fullGrant(at), true
		case Ignored:
			e.Time, e.Proto, e.Src = time.Time{}, 47, netip.MustParseAddrPort("[2001:db8::7]:0")
		}
		list = append(list, e)
	}
	return list
}

// sampleEvents returns an event of the monitor of each kind.
func sampleEvents(at time.Time) (list []*monitor.Event) {
	broken := errors.New("broken")
	command := monitor.Command{Stanza: 3, Text: "uptime", User: "alice", Src: "192.0.2.7"}
	for _, kind := range []monitor.Kind{monitor.Granted, monitor.Extended, monitor.Kept, monitor.Adopted, monitor.Expired, monitor.Revoked,
		monitor.Repaired, monitor.Postponed, monitor.Blocked} {
		list = append(list, &monitor.Event{Kind: kind, Grant: *fullGrant(at), Blocked: []string{"table inet x chain y"}})
		list = append(list, &monitor.Event{Kind: kind, Grant: *fullGrant(at), ByHand: true})
	}
	list = append(list,
		&monitor.Event{Kind: monitor.Cut, Grant: *fullGrant(at), Connections: enforce.Connections{Ended: 2, Cut: 1}},
		&monitor.Event{Kind: monitor.Cut, Grant: *fullGrant(at), Connections: enforce.Connections{Open: 1}, Err: broken},
		&monitor.Event{Kind: monitor.Refused, Grant: *fullGrant(at), Err: broken},
		&monitor.Event{Kind: monitor.Failed, Err: broken},
		&monitor.Event{Kind: monitor.Contested, Err: broken},
		&monitor.Event{Kind: monitor.Bypassed, Err: errors.New("rule 1 of FORWARD accepts in front of the guard")},
		&monitor.Event{Kind: monitor.ClockStep, Step: -time.Hour},
		&monitor.Event{Kind: monitor.CommandRan, Command: command, Result: monitor.Result{Output: "up", Took: time.Second}},
		&monitor.Event{Kind: monitor.CommandRan, Command: command, Result: monitor.Result{Status: -1, TimedOut: true, Took: time.Second}},
		&monitor.Event{Kind: monitor.WrongPassword, Command: monitor.Command{User: "alice", Src: "192.0.2.7", Text: "/etc/fwknop/shadow"}, Count: 2},
		&monitor.Event{Kind: monitor.WorkerStarted, Count: 1},
		&monitor.Event{Kind: monitor.WorkerDied, Err: broken},
		&monitor.Event{Kind: monitor.WorkerGaveUp, Err: broken, Count: 5},
		&monitor.Event{Kind: monitor.Violation, Err: broken},
		&monitor.Event{Kind: monitor.Lost, Count: 7})
	for _, ev := range list {
		ev.Time = at
	}
	return list
}
