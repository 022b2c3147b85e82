package fingerprint

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fwknopd/parse"
)

// p0f3Rows is a file of p0f 3 with one signature in its section of SYNs.
func p0f3Rows(label, sig string) []byte {
	return []byte("; comment\n\nclasses = win,unix,other\n\n[mtu]\nlabel = Ethernet\nsig = 1500\n\n" +
		"[tcp:request]\n\n; comment\nlabel = " + label + "\nsys   = @unix,@win\nsig   = " + sig + "\n" +
		"\n[tcp:response]\nlabel = s:unix:Linux:3.x\nsig = nonsense here\n[http:request]\nua_os = Linux,Windows\n")
}

func TestLoadP0f3(t *testing.T) {
	for _, tc := range []struct{ label, sig, want string }{
		{"s:unix:Linux:3.11 and newer", "*:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0",
			"S20:64:1:60:M*,S,T,N,W10:.: Linux:3.11 and newer::Linux 3.11 and newer"},
		{"g:win:Windows:NT kernel", "*:128:0:*:*,*:mss,nop,ws,nop,nop,sok:df,id+:0",
			"*:128:1:52:M*,N,W*,N,N,S:.: @Windows:NT kernel::Windows NT kernel"},
		{"s:unix:OpenVMS:8.x", "4:128:0:1460:mtu*2,0:mss,nop,ws::0",
			"T2:128:0:48:M1460,N,W0:.,ip=4: OpenVMS:8.x::OpenVMS 8.x"},
		{"g:unix:Mac OS X:", "*:64:0:*:65535,*:mss,nop,ws,nop,nop,ts,sok,eol+1:df,id+:0",
			"65535:64:1:64:M*,N,W*,N,N,T,S,E,E:P: @Mac OS X:::Mac OS X"},
		{"s:!:NMap:OS detection", "*:64-:0:536:16,10:mss,sok,ts,ws,eol+0:ack+:0",
			"16:64-:0:60:M536,S,T,W10,E:A: *NMap:OS detection::NMap OS detection"},
		{"s:unix:x:ID 0", "*:64:0:*:%8192,0:mss:df:0", "%8192:64:1:44:M*:Z: x:ID 0::x ID 0"},
		{"s:unix:x:ID 0, no DF", "*:64:0:*:1,0:mss:id-:0", "1:64:0:44:M*:Z: x:ID 0, no DF::x ID 0, no DF"},
		{"s:unix:x:IP options", "*:64:8:*:1,0:mss::0", "1:64:0:52:M*:I: x:IP options::x IP options"},
		{"s:unix:x:data", "*:64:0:*:1,0:mss:urgf+,uptr+,0+,ecn:+", "1:64:0:*:M*:UXFD: x:data::x data"},
		{"s:unix:x:IPv6", "6:64:0:1440:mss*45,7:mss,ts,nop,nop:ts1-,ts2+,flow:0", "S45:64:0:56:M1440,T0,N,N:T,ip=6: x:IPv6::x IPv6"},
		{"s:unix:x:zero sequence", "*:64:0:*:1,0::seq-:0", "1:64:0:40:.:Q0: x:zero sequence::x zero sequence"},
		{"s:unix:x:seen", "*:54+10:0:*:1,0::pushf+,bad:0", "1:64:0:40:.:F!: x:seen::x seen"},
		{"s:unix:x:kinds", "*:64:0:*:1,0:mss,?34,sack,nop,nop::0", "1:64:0:*:M*,?34,?5,N,N:.: x:kinds::x kinds"},
		{"s:unix:x:rest not zero", "*:64:0:*:1,0:mss,eol+3:opt+:0", "1:64:0:48:M*,E:P: x:rest not zero::x rest not zero"},
	} {
		set, err := Load("f", p0f3Rows(tc.label, tc.sig))
		if err != nil {
			t.Errorf("%s: %v", tc.sig, err)
			continue
		}
		if set.Len() != 1 {
			t.Errorf("%s: %d signatures", tc.sig, set.Len())
			continue
		}
		if got := fileLine(set.At(0)); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.sig, got, tc.want)
		}
		if line := set.At(0).Line; line != 14 {
			t.Errorf("%s: line %d", tc.sig, line)
		}
	}
}

// A payload left open is two signatures: with data and without.
func TestLoadP0f3AnyPayload(t *testing.T) {
	set, err := Load("f", p0f3Rows("s:unix:x:y", "*:64:0:*:1,0:mss::*"))
	if err != nil || set.Len() != 2 {
		t.Fatalf("%v", err)
	}
	if a, b := set.At(0).Text, set.At(1).Text; a != "1:64:0:44:M*:." || b != "1:64:0:*:M*:D" {
		t.Errorf("got %s and %s", a, b)
	}
}

func TestLoadP0f3Refuses(t *testing.T) {
	for _, tc := range []struct{ label, sig, want string }{
		{"x:unix:Linux:3", "*:64:0:*:1,0:mss::0", `f:12: label "x:unix:Linux:3"`},
		{"s:unix:Linux", "*:64:0:*:1,0:mss::0", `f:12: label "s:unix:Linux"`},
		{"s:unix::x", "*:64:0:*:1,0:mss::0", `f:12: label "s:unix::x"`},
		{"s:unix:x:y", "*:64:0:*:1,0:mss:0", "f:14: not a signature: ver:ittl:olen"},
		{"s:unix:x:y", "5:64:0:*:1,0:mss::0", `f:14: ver: "5"`},
		{"s:unix:x:y", "*:0:0:*:1,0:mss::0", `f:14: ttl: "0"`},
		{"s:unix:x:y", "*:250+10:0:*:1,0:mss::0", `f:14: ttl: "260"`},
		{"s:unix:x:y", "*:64+x:0:*:1,0:mss::0", `f:14: ittl: "x"`},
		{"s:unix:x:y", "*:64:41:*:1,0:mss::0", `f:14: olen: "41"`},
		{"s:unix:x:y", "*:64:0:x:1,0:mss::0", `f:14: options: "Mx"`},
		{"s:unix:x:y", "*:64:0:*:1:mss::0", `f:14: wsize: "1" is not`},
		{"s:unix:x:y", "*:64:0:*:mss*0,1:mss::0", `f:14: window: "S0"`},
		{"s:unix:x:y", "*:64:0:*:1,0:mss,xyz::0", `f:14: olayout: "xyz"`},
		{"s:unix:x:y", "*:64:0:*:1,0:mss,,nop::0", `f:14: olayout: ""`},
		{"s:unix:x:y", "*:64:0:*:1,0:mss:df,idx:0", `f:14: quirks: unknown quirk "idx"`},
		{"s:unix:x:y", "*:64:0:*:1,0:mss::x", `f:14: pclass: "x"`},
	} {
		_, err := Load("f", p0f3Rows(tc.label, tc.sig))
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s, %s: error %v, want %s…", tc.label, tc.sig, err, tc.want)
		} else if strings.Contains(err.Error(), "column") {
			t.Errorf("%s: error %v names a column that is not in the file", tc.sig, err)
		}
	}
	for text, want := range map[string]string{
		"[tcp:request]\nsig = *:64:0:*:1,0:mss::0\n":           "f:2: a signature without a label",
		"[tcp:request]\nlabel = s:unix:x:y\n[mtu]\nx = y\n":    "",
		"[tcp:response]\nlabel = s:unix:x:y\n":                 "f:2: a file of p0f 3 without a section [tcp:request]",
		"[tcp:request]\nlabel = s:unix:x:y\nwhat = is this\n":  `f:3: "what = is this" is none of`,
		"; p0f\nclasses = win\n[tcp:request]\ngarbage\n":       `f:4: "garbage" is none of`,
		"# not p0f 3\nS4:64:1:60:M*,S,T,N,W0: [tcp:request]\n": "",
	} {
		_, err := Load("f", []byte(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: error %v, want %s…", text, err, want)
		}
	}
}

// The files that the packages of p0f and nftables install load as they are.
func TestLoadInstalledFiles(t *testing.T) {
	for name, least := range map[string]int{
		"/etc/p0f/p0f.fp":                        80,
		"/usr/share/doc/nftables/examples/pf.os": 240,
		"/usr/share/xtables/pf.os":               240,
	} {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			t.Logf("%s is not installed", name)
			continue
		}
		set, err := Load(name, text)
		if err != nil || set.Len() < least {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// named counts SYNs, and kinds of SYN of a source, that have a name.
type named struct {
	syns, ofSYNs   int
	kinds, ofKinds int
	seen           map[string]bool
}

func (n *named) add(kind string, ok bool) {
	n.ofSYNs++
	if ok {
		n.syns++
	}
	if n.seen[kind] {
		return
	}
	n.seen[kind] = true
	n.ofKinds++
	if ok {
		n.kinds++
	}
}

// p0f3Answers reads the output of p0f 3.09b for our captures (p0f3.sh made the file): by
// capture, then by client, "" for nothing.
func p0f3Answers(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../fixtures/fingerprint/p0f3.tsv")
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[string]map[string]string)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if answers[cells[0]] == nil {
			answers[cells[0]] = make(map[string]string)
		}
		answers[cells[0]][cells[1]] = strings.TrimSuffix(cells[2], "???")
	}
	return answers
}

// Of every capture at least as many SYNs are named as by p0f 3, and as many kinds of
// SYN of a source. One exception: p0f takes what has the TTL of a system for nmap's,
// which starts below 60.
func TestNamedShare(t *testing.T) {
	const leastCaptures = 20
	answers := p0f3Answers(t)
	if len(answers) < leastCaptures {
		t.Fatalf("%d captures", len(answers))
	}
	m := NewMatcher(Default(), DefaultMaxHops)
	all, allTheirs := named{seen: make(map[string]bool)}, named{seen: make(map[string]bool)}
	for capture, byClient := range answers {
		ours, theirs := named{seen: make(map[string]bool)}, named{seen: make(map[string]bool)}
		for _, ev := range readCapture(t, "../"+capture) {
			answer, judged := byClient[client(ev)]
			if !judged || answer == "NMap SYN scan" && ev.TTL >= 60 || answer == "NMap OS detection" && ev.TTL >= 60 {
				continue
			}
			kind := ev.Src.Addr().String() + " " + string(AppendSignature(nil, ev))
			fits := m.MatchID(ev) > Unmatched
			ours.add(kind, fits)
			theirs.add(kind, answer != "")
			all.add(capture+kind, fits)
			allTheirs.add(capture+kind, answer != "")
			if answer != "" && !fits {
				t.Logf("%s: %s: p0f: %s", capture, kind, answer)
			}
		}
		if ours.syns < theirs.syns || ours.kinds < theirs.kinds {
			t.Errorf("%s: of %d SYNs %d are named, p0f 3 names %d; of %d kinds %d and %d",
				capture, ours.ofSYNs, ours.syns, theirs.syns, ours.ofKinds, ours.kinds, theirs.kinds)
		}
	}
	t.Logf("of %d SYNs %d are named, p0f 3 names %d; of %d kinds %d and %d",
		all.ofSYNs, all.syns, allTheirs.syns, all.ofKinds, all.kinds, allTheirs.kinds)
	if 100*all.syns < 95*all.ofSYNs {
		t.Errorf("%d of %d SYNs are named", all.syns, all.ofSYNs)
	}
}

// client writes the sender as p0f does.
func client(ev *parse.Event) string {
	return fmt.Sprintf("%s/%d", ev.Src.Addr(), ev.Src.Port())
}
