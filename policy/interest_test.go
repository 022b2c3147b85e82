package policy

import (
	"encoding/base64"
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/spa"
)

// FuzzInterest: an event that does not matter is ignored, and leaves no trace in an engine.
func FuzzInterest(f *testing.F) {
	f.Add(uint8(17), uint8(parse.OriginFrame), uint8(0), uint32(0), []byte(base64.StdEncoding.EncodeToString(make([]byte, 150))))
	f.Add(uint8(6), uint8(parse.OriginKernel), uint8(parse.SYN), uint32(0), []byte(nil))
	f.Add(uint8(6), uint8(parse.OriginFrame), uint8(parse.ACK), uint32(0), []byte("GET /abc HTTP/1.1\r\nUser-Agent: Fwknop\r\n\r\n"))
	f.Add(uint8(1), uint8(parse.OriginFrame), uint8(0), uint32(4000), []byte("9abcdefghijklmnopqrst"))
	s := plain()
	s.server.OverHTTP = true
	e := s.engine(f)
	i, buf := e.Interest(), make([]byte, spa.MaxText)
	f.Fuzz(func(t *testing.T, proto, origin, flags uint8, whole uint32, payload []byte) {
		ev := s.event(payload)
		ev.Proto, ev.Origin, ev.Flags = parse.Proto(proto), parse.Origin(origin%4), parse.TCPFlags(flags)
		if whole > 0 {
			ev.Whole, ev.Captured = whole, whole/2
		}
		if i.Wants(ev, false, buf) {
			return
		}
		examined := e.Examined()
		if d := e.Decide(time.Time{}, ev); d.Verdict != Ignore || e.Examined() != examined || e.Copies() != 0 {
			t.Errorf("%v, %s: %+v", ev.Proto, payload, d)
		}
	})
}
