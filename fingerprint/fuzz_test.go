package fingerprint

import (
	"strings"
	"testing"

	"fwknopd/parse"
)

// What loads is printed, and loads again as the same.
func FuzzLoad(f *testing.F) {
	f.Add("# comment\nS4:64:1:60:M*,S,T,N,W0:\tLinux:2.4::Linux 2.4/2.6\n")
	f.Add("%8192:128:*:%4:?19,M%2,W%3,T0,E,E:PZIUXATFD!KQ0: -*@x ")
	f.Add("T4:255:0:*:.:.:A:b\r\n1:1:1:1:N x")
	f.Add("0:1:0:0:W0: \r\r\n")
	f.Add("S4:64:1:60:M*,S,T,N,W0:Linux:2.4::Linux 2.4/2.6\n1:64-:0:40:.:Z,id=1,sport=2,seq=dst,ip=6,data:*x:y::z")
	f.Add("classes = win,unix\n[tcp:request]\nlabel = g:unix:Linux:3.x\nsys = @unix\nsig = *:64:0:*:mss*10,*:mss,sok,ts,nop,ws:df,id+:0\n")
	f.Add("[tcp:request]\nlabel = s:!:NMap:OS\nsig = 4:64-:8:536:%16,10:mss,?34,sok,ts,eol+3:ack+,opt+,ts1-,bad:*\nsig=6:60+4:0:1:mtu*2,*::seq-:+")
	for i := range Default().Len() {
		f.Add(fileLine(Default().At(i)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Load("f", []byte(text))
		if err != nil {
			if set != nil || !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("set %v, error %v", set, err)
			}
			return
		}
		var printed strings.Builder
		for i := range set.Len() {
			printed.WriteString(fileLine(set.At(i)) + "\n")
		}
		again, err := Load("f", []byte(printed.String()))
		if err != nil || again.Len() != set.Len() {
			t.Fatalf("%q does not load again: %v", printed.String(), err)
		}
		for i := range set.Len() {
			a, b := set.At(i), again.At(i)
			if a.Text != b.Text || a.Label != b.Label || a.layout != b.layout || a.Generic != b.Generic || a.Userland != b.Userland {
				t.Fatalf("%q became %q", fileLine(a), fileLine(b))
			}
		}
	})
}

// The signature a SYN is described by loads, and fits that SYN; with the cache and
// without it the same signatures fit.
func FuzzSYN(f *testing.F) {
	for _, options := range []string{linux, mss1460 + sackOK + "0000", mss1460 + "0303", "1303ff" + stamp0, "0000", "01ff"} {
		f.Add(unhex(f, options), uint16(64240), uint16(60), uint8(60), uint16(1), uint8(parse.SYN), uint8(0))
	}
	own, slow := NewMatcher(Default(), DefaultMaxHops), NewMatcher(Default(), DefaultMaxHops)
	f.Fuzz(func(t *testing.T, options []byte, window, size uint16, ttl uint8, id uint16, flags, kind uint8) {
		ev := newSYN(window, ttl, kind&1 != 0, nil)
		if !ev.SetOptions(options) {
			return
		}
		ev.Len, ev.ID, ev.Flags = size, id, parse.TCPFlags(flags)
		ev.HasSeq, ev.IPOptions, ev.Ack = kind&2 != 0, kind&4 != 0, uint32(kind&8)
		if kind&16 != 0 {
			ev.Origin = parse.OriginKernel
		}
		if kind&32 != 0 {
			sixth(ev)
		}
		text := string(AppendSignature(nil, ev))
		nearest, differs := own.Nearest(ev)
		if ev.Flags&(parse.SYN|parse.ACK|parse.RST|parse.FIN) != parse.SYN {
			if text != "" || nearest != nil || own.MatchID(ev) != NotSYN {
				t.Fatalf("%v is taken for a SYN", ev.Flags)
			}
			return
		}
		set, err := Load("f", []byte(text+" x"))
		if err != nil {
			t.Fatal(err)
		}
		maxHops := DefaultMaxHops
		if initialTTL(ttl)-ttl >= DefaultMaxHops {
			maxHops = 256
		}
		if NewMatcher(set, maxHops).MatchID(ev) == Unmatched {
			t.Fatalf("%s does not fit its own SYN", text)
		}
		got, want := own.MatchID(ev), slow.match(ev)
		if a, b := strings.Join(labels(own.Result(got)), "\n"), strings.Join(labels(slow.Result(want)), "\n"); a != b {
			t.Fatalf("%s: cache %q, signatures %q", text, a, b)
		}
		if (len(differs) == 0) != (got != Unmatched) {
			t.Fatalf("%s: ID %d, but differs from %s in %q", text, got, fileLine(nearest), differs)
		}
	})
}
