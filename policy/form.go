package policy

import "fwknopd/policy/conf"

// A Form is what all UDP payloads have in common that an engine does not ignore: they
// are base64, and not shorter than Least. Below Free they begin as a Rijndael packet does,
// with one of the characters in First or with Prefix. All other payloads have no effect on an engine, so that a filter may drop them. The zero
// Form: any payload may have one.
type Form struct {
	Least, Free   int // bytes
	First, Prefix string
}

// CheckForm is the name of the failed [Check] of a packet that a filter by [Form] drops.
const CheckForm = "form"

// DropByForm makes t the trace of a packet that the kernel drops by its form, see [FormOf].
func (t *Trace) DropByForm() {
	if t.Decision.Verdict == Allow {
		return // not reached: no such packet has another form
	}
	t.Packet = append(t.Packet, Check{Name: CheckForm, Detail: Detail{Text: "it never reaches the daemon: the kernel drops it by its form"}})
	t.Decision = Decision{}
}

// Filtered reports whether the packet was kept out before its form was looked at.
func (t *Trace) Filtered() bool {
	last := len(t.Packet) - 1
	return last >= 0 && !t.Packet[last].OK && (t.Packet[last].Name == checkFilter || t.Packet[last].Name == CheckCopy)
}

// FormOf returns the form of the packets that matter to an engine of a configuration: the
// zero Form where requests over HTTP, or knocks, may be such packets.
func FormOf(server *conf.Server, access *conf.Access) Form {
	if server.OverHTTP {
		return Form{}
	}
	carrier, _ := carrierOptions(server)
	f := Form{Least: carrier.MinLen, Free: minUnmatchedGPGLen, First: firstChars, Prefix: saltedPrefix}
	for i := range access.Stanzas {
		st := &access.Stanzas[i]
		switch {
		case !server.Feeds(st.Mode):
		case st.Mode != conf.ModeSPA:
			return Form{}
		case st.GPG != nil:
			f.Free = min(f.Free, server.MinGPGLen)
		}
	}
	return f
}
