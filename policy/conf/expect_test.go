package conf

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseExpectation(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"granted ask tcp/22 from 192.0.2.7", "granted [tcp/22] 192.0.2.7"},
		{`refused spa.stale ask tcp/22,udp/53 from 2001:db8::7 age 900 user "a b"`, "refused spa.stale [tcp/22 udp/53] 2001:db8::7 15m0s a b"},
		{`command run "ls -l \"x\"" from 192.0.2.7`, `command ls -l "x" 192.0.2.7`},
		{"granted knock tcp/1,udp/2,icmp gap 3 from 192.0.2.7 opens tcp/22 for 30", "granted knock [tcp/1 udp/2 icmp] 3s 192.0.2.7 opens [tcp/22] 30s"},
		{"ignored payload QUJD from 192.0.2.7 to 198.51.100.1 at 2026-11-22T07:46:05Z", "ignored ABC 2026-11-22"},
		{"refused file x.pcap record 3 at 1700000000", "refused x.pcap 3 2023-11-14"},
		{"granted ask tcp/80 nat 10.0.0.5/80 allow 198.51.100.9 timeout 60 from 192.0.2.7 age -5", "granted [tcp/80] 10.0.0.5:80 198.51.100.9 1m0s -5s"},
	} {
		e, err := ParseExpectation(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		show := fmt.Sprint(e.Verdict, e.Reason, e.Ask, e.Run, e.Knock, string(e.Payload), e.File, e.Record, e.From, e.To, e.User, e.Allow, e.Timeout, e.NAT, e.Age, e.Gap, e.At.Format(time.DateOnly), e.Opens, e.For)
		for _, w := range strings.Fields(strings.NewReplacer("knock", "", "opens", "", "ABC", "QUJD").Replace(tt.want)) {
			if !strings.Contains(show, strings.Trim(w, "[]")) {
				t.Errorf("%q: %q is missing in %s", tt.text, w, show)
			}
		}
	}
	e, _ := ParseExpectation("granted ask tcp/22 from 192.0.2.7")
	if e.Gap != time.Second || e.Record != 0 || !e.At.IsZero() {
		t.Errorf("what is not said has defaults: %+v", e)
	}
}

func TestParseExpectationProblems(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "nothing is expected",
		"allowed ask tcp/22 from 192.0.2.7": `"allowed" is not one of`,
		"granted":                           "one of ask, run, knock, payload and file is needed",
		"granted ask tcp/22":                "from is needed",
		"granted ask tcp/22 run x from 192.0.2.7":          "one of ask",
		"granted ask tcp/22 from host":                     `from: "host" is no address`,
		"granted ask tcp from 192.0.2.7":                   "ask: ",
		"granted ask tcp/22 from":                          "from without a value",
		"granted ask tcp/22 from 192.0.2.7 from 192.0.2.8": "said twice",
		"granted ask tcp/22 form 192.0.2.7":                `"form" is not one of`,
		`granted run "ls from 192.0.2.7`:                   "a quote is not closed",
		"refused ask tcp/22 from 192.0.2.7 opens tcp/22":   "opens and for go with granted",
		"granted ask tcp/22 from 192.0.2.7 record 3":       "record without file",
		"granted payload *** from 192.0.2.7":               "payload: not base64",
		"granted ask tcp/22 from 192.0.2.7 at noon":        "at: ",
		"granted ask tcp/22 from 192.0.2.7 timeout -3":     "timeout: ",
		"granted file x record 0":                          "record: ",
	} {
		if _, err := ParseExpectation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestExpectationWords: every word has a setter and every setter is offered.
func TestExpectationWords(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range expectWords() {
		seen[w] = true
		if setters[w] == nil {
			t.Errorf("%s has no setter", w)
		}
	}
	if len(seen) != len(setters) {
		t.Errorf("%d words, %d setters", len(seen), len(setters))
	}
}

func TestExpectationsBelongToStanzas(t *testing.T) {
	_, _, a, problems := loadText("", perl19("EXPECT: granted ask tcp/22 from 192.0.2.7;")+perl19("EXPECT: refused ask tcp/23 from 192.0.2.7;", "EXPECT: refused spa.user ask tcp/22 user x from 192.0.2.7;"))
	wantProblems(t, problems)
	var got []string
	for i := range a.Stanzas {
		for _, e := range a.Stanzas[i].Expectations {
			got = append(got, fmt.Sprint(e.Pos, " ", e.Stanza, " ", e.Verdict, e.Reason))
		}
	}
	want := []string{"access.conf:4 1 granted", "access.conf:8 2 refused", "access.conf:9 2 refusedspa.user"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	_, _, _, problems = loadText("", perl19("EXPECT: grant ask tcp/22 from 192.0.2.7;"))
	wantProblems(t, problems, `access.conf:4: EXPECT: "grant" is not one of granted, refused, command, ignored (did you mean granted?)`)
}
