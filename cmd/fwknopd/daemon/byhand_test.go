package daemon

import (
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/enforce"
)

// Which stanza opens what the administrator asks for, and why none does.
func TestGrantByHand(t *testing.T) {
	const keys = "\nKEY sometestkey1\nHMAC_KEY anothertestkey\n"
	s, problems := prepare(files(t, "PCAP_INTF lo\n", "SOURCE 192.0.2.0/24\nNAME alice\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 60\nPERMIT_CLIENT_TIMEOUT N"+keys+ // line 1
		"SOURCE ANY\nNAME bob\nOPEN_PORTS tcp/22,tcp/80\nPERMIT_CLIENT_TIMEOUT Y\nMAX_FW_TIMEOUT 600"+keys+ // line 8
		"SOURCE ANY\nOPEN_PORTS udp/53"+keys)) // line 15
	if problems.Failed() {
		t.Fatal(problems)
	}
	for _, tt := range []struct {
		src, port, stanza string
		life              time.Duration
		want              int           // the stanza's line
		lasts             time.Duration // of the grant
		err               string
	}{
		{src: "192.0.2.7", port: "tcp/22", stanza: "alice", want: 1, lasts: time.Minute},
		{src: "192.0.2.7", port: "tcp/22", stanza: "1", life: 10 * time.Second, want: 1, lasts: 10 * time.Second},
		{src: "192.0.2.7", port: "tcp/22", stanza: "bob", life: 10 * time.Minute, want: 8, lasts: 10 * time.Minute},
		{src: "203.0.113.7", port: "tcp/22", want: 8, lasts: 30 * time.Second},
		{src: "192.0.2.7", port: "udp/53", want: 15, lasts: 30 * time.Second},
		{src: "192.0.2.7", port: "tcp/22", life: 5 * time.Minute, want: 8, lasts: 5 * time.Minute}, // too long for alice
		{src: "192.0.2.7", port: "tcp/22", err: "2 stanzas offer it, say which by --stanza: alice, bob"},
		{src: "192.0.2.7", port: "tcp/22", stanza: "alice", life: 2 * time.Minute, err: "stanza alice: lifetime is not offered: 2m0s of at most 1m0s"},
		{src: "192.0.2.7", port: "tcp/22", stanza: "bob", life: 11 * time.Minute, err: "stanza bob: lifetime is not offered: 11m0s of at most 10m0s"},
		{src: "192.0.2.7", port: "tcp/23", stanza: "alice", err: "stanza alice: port tcp/23, not in OPEN_PORTS"},
		{src: "203.0.113.7", port: "tcp/22", stanza: "alice", err: "stanza alice: got 203.0.113.7, not in SOURCE"},
		{src: "192.0.2.7", port: "tcp/23", err: "no stanza offers it: stanza alice: port tcp/23, not in OPEN_PORTS; stanza bob: "},
		{src: "192.0.2.7", port: "tcp/22", stanza: "alicia", err: `no stanza has the NAME "alicia" (did you mean alice?)`},
		{src: "192.0.2.7", port: "tcp/22", stanza: "2", err: "no stanza begins in line 2"},
	} {
		proto, number := enforce.TCP, map[string]uint16{"tcp/22": 22, "tcp/23": 23, "udp/53": 53}[tt.port]
		if strings.HasPrefix(tt.port, "udp") {
			proto = enforce.UDP
		}
		a := control.Addition{Src: addr(tt.src), Ports: []enforce.Port{{Proto: proto, Number: number}}, For: tt.life, Stanza: tt.stanza}
		g, err := s.grantByHand(a, now)
		switch {
		case tt.err == "" && (err != nil || g.Stanza != tt.want || g.Expires.Sub(now) != tt.lasts || g.User != ""):
			t.Errorf("%+v: %+v, %v", tt, g, err)
		case tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)):
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestSome(t *testing.T) {
	if got := some([]string{"a", "b"}, ", "); got != "a, b" {
		t.Error(got)
	}
	if got := some(strings.Fields("1 2 3 4 5 6 7 8 9 10"), ", "); got != "1, 2, 3, 4, 5, 6, 7, 8, and 2 more" {
		t.Error(got)
	}
}
