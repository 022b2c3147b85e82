package policy

import (
	"fwknopd/parse"
	"fwknopd/policy/knock"
	"fwknopd/policy/spa"
)

// An Interest tells the events that matter to an engine. One that does not is ignored, and changes no
// later decision, so that it can be left out, by another process too: an Interest holds no keys.
type Interest struct {
	Messages bool // there are stanzas for SPA, whose packets are carried as follows
	Carrier  spa.CarrierOptions
	MinLen   uint16 // of the whole packet, bytes
	Knocks   bool   // there are sequences
}

// Interest returns that of the engine.
func (e *Engine) Interest() Interest {
	return Interest{Messages: len(e.spa) > 0, Carrier: e.carrier, MinLen: e.minLen, Knocks: e.tracker != nil}
}

// Or returns the interest in what matters to i or to other, whose engine has the same configuration
// but for its stanzas.
func (i Interest) Or(other Interest) Interest {
	i.Messages, i.Knocks = i.Messages || other.Messages, i.Knocks || other.Knocks
	return i
}

// Wants reports whether the event matters; filtered: PCAP_FILTER does not match it. buf is room for a
// text that came over HTTP, [spa.MaxText] bytes.
func (i *Interest) Wants(ev *parse.Event, filtered bool, buf []byte) bool {
	if i.Knocks && knock.Is(ev) {
		return true
	}
	if !i.Messages || filtered || !mayCarry(ev, i.MinLen, nil) {
		return false
	}
	_, _, ok := spa.Carrier(ev.Proto, ev.Payload, carrierOf(ev, i.Carrier), buf)
	return ok
}
