package policy

import (
	"cmp"
	"net/netip"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// addresses returns what the message opens for by GRANT_ADDRESS: one address, or two that
// differ. A command opens nothing; its address is that in the message.
func (r *request) addresses(st *conf.Stanza) (first, second netip.Addr) {
	if r.msg.Type == spa.Command {
		return r.allow(), netip.Addr{}
	}
	return choose(st, r.allow(), r.client())
}

// choose returns which of the address in a message and that of the packet is opened: one,
// or both where they differ.
func choose(st *conf.Stanza, inside, packet netip.Addr) (first, second netip.Addr) {
	switch st.GrantAddress {
	case conf.AddressPacket:
		return packet, netip.Addr{}
	case conf.AddressBoth:
		if inside != packet {
			return inside, packet
		}
	}
	return inside, netip.Addr{}
}

// checkAddress checks the addresses that are to get access.
func (e *Engine) checkAddress(r *request, st *stanza) *refusal {
	if ref := e.checkRealAddress(r, st); ref != nil {
		return ref
	}
	first, second := r.addresses(st.Stanza)
	for _, a := range [...]netip.Addr{first, second} {
		if !a.IsValid() {
			continue
		}
		if ref := e.checkClient(a, st.Stanza, r.msg.Type != spa.Command); ref != nil {
			ref.detail.Text += r.bothText(st.Stanza)
			return ref
		}
	}
	return nil
}

// checkRealAddress checks REQUIRE_SOURCE_ADDRESS: the message has every address that it
// opens for.
func (e *Engine) checkRealAddress(r *request, st *stanza) *refusal {
	ofStanza := !st.SourceAddress.Contains(r.src())
	if !e.server.RequireSourceAddress && !ofStanza {
		return nil
	}
	got := r.msg.Allow
	first, second := r.addresses(st.Stanza)
	switch {
	case got.IsUnspecified() && e.server.RequireSourceAddress:
		return &refusal{SPASource, Detail{Got: got.String(), Text: "REQUIRE_SOURCE_ADDRESS wants a real address"}}
	case got.IsUnspecified():
		return &refusal{SPASource, Detail{Got: got.String(), Text: "REQUIRE_SOURCE_ADDRESS of the stanza wants a real address from this source"}}
	case first != got || second.IsValid():
		return &refusal{SPASource, Detail{Want: r.client().String(), Got: got.String(),
			Text: "REQUIRE_SOURCE_ADDRESS wants the address that is opened in the message" + r.bothText(st.Stanza)}}
	}
	return nil
}

// bothText returns the two addresses of a request where they differ and the stanza looks at
// that of the packet, to stand behind why one is refused; "" otherwise.
func (r *request) bothText(st *conf.Stanza) string {
	if !st.GrantsPacket() || r.msg.Type == spa.Command || r.msg.Allow == r.client() {
		return ""
	}
	return ": the message has " + r.msg.Allow.String() + ", the packet came from " + r.client().String()
}

// checkClient checks one address that is to get access; with prefix also that around it.
func (e *Engine) checkClient(a netip.Addr, st *conf.Stanza, prefix bool) *refusal {
	switch {
	case e.server.Blacklist.Contains(a):
		return &refusal{SPASource, Detail{Got: a.String(), Text: TextBlacklist}}
	case a.IsUnspecified() || a.IsMulticast():
		return &refusal{SPASource, Detail{Got: a.String(), Text: "not the address of a client"}}
	case !prefix || st.GrantPrefix.IsZero():
		return nil
	}
	return e.checkPrefix(st.GrantPrefix.Of(a), st)
}

// checkPrefix checks the prefix that an address stands for: with one address in it that gets
// no access, none does.
func (e *Engine) checkPrefix(p netip.Prefix, st *conf.Stanza) *refusal {
	if p.IsSingleIP() {
		return nil
	}
	if p.Addr().IsUnspecified() {
		return &refusal{SPASource, Detail{Got: p.String(), Text: "not a prefix of clients"}}
	}
	if part, found := e.server.Blacklist.Overlap(p); found {
		return &refusal{SPASource, Detail{Got: p.String(), Text: enforce.PrefixText(part) + " in this GRANT_PREFIX is in BLACKLIST"}}
	}
	for _, out := range st.Source.Exclude {
		if out.Overlaps(p) {
			return &refusal{SPASource, Detail{Got: p.String(), Text: enforce.PrefixText(out) + " in this GRANT_PREFIX is excepted in SOURCE"}}
		}
	}
	return nil
}

// setSources sets what a grant lets in: the addresses, each with its GRANT_PREFIX.
func setSources(g *enforce.Grant, st *conf.Stanza, first, second netip.Addr) {
	if g.Src = first; !st.GrantPrefix.IsZero() {
		g.SetSource(st.GrantPrefix.Of(first))
	}
	if !second.IsValid() {
		return
	}
	if also := st.GrantPrefix.Of(second); also != g.Source() {
		g.Also = also
	}
}

// noteAddress says for Explain which addresses are let in, and why.
func noteAddress(_ *Engine, r *request, st *stanza) string {
	text := r.msg.Allow.String() + " is asked for, which means " + r.allow().String()
	if r.msg.Type == spa.Command || !st.GrantsPacket() && st.GrantPrefix.IsZero() {
		return text
	}
	var g enforce.Grant
	first, second := r.addresses(st.Stanza)
	setSources(&g, st.Stanza, first, second)
	if st.GrantsPacket() {
		text += ", the packet came from " + r.client().String()
	}
	text += ": GRANT_ADDRESS " + cmp.Or(st.GrantAddress, conf.AddressInside)
	if !st.GrantPrefix.IsZero() {
		text += ", GRANT_PREFIX " + st.GrantPrefix.String()
	}
	return text + " lets in " + g.SourceText()
}
