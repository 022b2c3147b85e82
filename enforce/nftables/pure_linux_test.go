package nftables

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"

	"fwknopd/enforce"
)

var (
	addr     = netip.MustParseAddr
	addrPort = netip.MustParseAddrPort
	epoch    = time.Unix(1700000000, 0)
)

func tcp(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }

func TestParsePlace(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Place
		err   error
	}{
		{"inet, filter, input", Place{nft.TableFamilyINet, "filter", "input"}, nil},
		{"ip,my-fw,in.1", Place{nft.TableFamilyIPv4, "my-fw", "in.1"}, nil},
		{"ip6, t, INPUT", Place{nft.TableFamilyIPv6, "t", "INPUT"}, nil},
		{"", Place{}, errPlaceFields},
		{"inet, filter", Place{}, errPlaceFields},
		{"inet, filter, input, 1", Place{}, errPlaceFields},
		{"bridge, filter, input", Place{}, errPlaceFamily},
		{"inet, fil ter, input", Place{}, errPlaceName},
		{"inet, filter, 1st", Place{}, errPlaceName},
		{"inet, filter, ", Place{}, errPlaceName},
		{"inet, filter, " + strings.Repeat("x", 256), Place{}, errPlaceName},
	} {
		if got, err := ParsePlace(c.value); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParsePlace(%q) = %v, %v, want %v, %v", c.value, got, err, c.want, c.err)
		}
	}
}

// grants of every form, in both families; expiries are told apart by their order.
func everyForm() (gs []enforce.Grant) {
	for _, v6 := range []bool{false, true} {
		src, dst, inside := addr("192.0.2.7"), addr("198.51.100.1"), addrPort("10.0.0.2:80")
		if v6 {
			src, dst, inside = addr("2001:db8::7"), addr("2001:db8::1"), addrPort("[fd00::2]:80")
		}
		target := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(inside.Addr(), port) }
		icmp := []enforce.Port{{Proto: enforce.ICMP}}
		for _, g := range []enforce.Grant{
			{Ports: tcp(22)},
			{Ports: tcp(22), Dst: dst, Output: true},
			{Ports: icmp, Output: true},
			{Ports: icmp, Dst: dst},
			{All: true},
			{All: true, Dst: dst},
			{Ports: tcp(80), NAT: &enforce.NAT{}},
			{Ports: tcp(80), Dst: inside.Addr(), NAT: &enforce.NAT{Masquerade: true}},
			{All: true, NAT: &enforce.NAT{SNAT: dst}},
			{Ports: tcp(8080), NAT: &enforce.NAT{Target: inside}},
			{Ports: tcp(8081), Dst: dst, NAT: &enforce.NAT{Target: inside, SNAT: dst}},
			{Ports: tcp(8082), NAT: &enforce.NAT{Target: target(82), Masquerade: true}},
			{Ports: icmp, NAT: &enforce.NAT{Target: target(0)}},
			{All: true, NAT: &enforce.NAT{Target: target(0), Masquerade: true}},
			{Ports: tcp(8022), Output: true, NAT: &enforce.NAT{Target: target(22), Local: true}},
			{All: true, NAT: &enforce.NAT{Target: target(0), Local: true}},
		} {
			for _, bits := range []uint8{0, 24} {
				g.Src, g.Bits, g.Stanza = src, bits, len(gs)+1
				g.Expires = epoch.Add(time.Duration(len(gs)) * time.Minute)
				gs = append(gs, g.Normal())
			}
		}
	}
	return gs
}

// TestElements: what a grant becomes in sets is read back as the grant, alone and
// among all others.
func TestElements(t *testing.T) {
	var all []listedElem
	want := everyForm()
	for _, g := range want {
		var mine []listedElem
		for _, e := range elements(g, nil) {
			el := e.encode(time.Minute, g.Comment().String())
			el.Expires = g.Expires.Sub(epoch) + 3*time.Millisecond // as the kernel lists it: not exactly
			f, ok := e.set.decode(el, epoch)
			if !ok || f.element != e {
				t.Fatalf("%s: element %+v reads %+v, %v", g.Key(), e, f.element, ok)
			}
			mine = append(mine, f)
		}
		if got := assemble(mine); len(got) != 1 || got[0].Key() != g.Key() || !got[0].Expires.Equal(g.Expires) || got[0].Stanza != g.Stanza {
			t.Errorf("%s: reads %+v", g.Key(), got)
		}
		all = append(all, mine...)
	}
	got := assemble(all)
	if !slices.EqualFunc(got, want, func(a, b enforce.Grant) bool { return a.Key() == b.Key() }) {
		t.Errorf("together they read %v", got)
	}
}

// TestElementsShared: grants that share elements are told apart all the same, with
// whichever of them the comment is.
func TestElementsShared(t *testing.T) {
	src, target := addr("192.0.2.7"), addrPort("10.0.0.2:80")
	nat := func(port uint16, end int, n enforce.NAT) enforce.Grant {
		n.Target = target
		return enforce.Grant{Src: src, Ports: tcp(port), Output: n.Local, Expires: epoch.Add(time.Duration(end) * time.Second), Stanza: end, NAT: &n}.Normal()
	}
	for name, want := range map[string][]enforce.Grant{
		"forward":          {nat(8080, 10, enforce.NAT{}), nat(8081, 20, enforce.NAT{})},
		"masquerade":       {nat(8080, 10, enforce.NAT{Masquerade: true}), nat(8081, 20, enforce.NAT{Masquerade: true}), nat(8082, 15, enforce.NAT{Masquerade: true})},
		"snat":             {nat(8080, 20, enforce.NAT{SNAT: target.Addr()}), nat(8081, 10, enforce.NAT{SNAT: target.Addr()})},
		"only one of them": {nat(8080, 10, enforce.NAT{Masquerade: true}), nat(8081, 20, enforce.NAT{})},
		"local":            {nat(8080, 10, enforce.NAT{Local: true}), nat(8081, 20, enforce.NAT{Local: true})},
	} {
		r := newRefcounts(nil)
		for _, g := range want {
			r.add(g, epoch)
		}
		var all []listedElem
		for c := range r.refs {
			cur, _ := r.current(c, epoch)
			f, ok := c.set.decode(element{c, cur.target}.encode(cur.end.Sub(epoch), cur.comment), epoch)
			if !ok {
				t.Fatalf("%s: %+v does not read", name, c)
			}
			f.expires = cur.end
			all = append(all, f)
		}
		got := assemble(all)
		enforce.SortGrants(got)
		if !slices.EqualFunc(got, want, func(a, b enforce.Grant) bool {
			return a.Key() == b.Key() && a.Expires.Equal(b.Expires) && a.Stanza == b.Stanza
		}) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestDecodeUnmasked: an element with bits that the rule clears matches nothing, and is no
// grant.
func TestDecodeUnmasked(t *testing.T) {
	id := setID{role: enforce.Input, shape: withProto | withPort, bits: 24}
	for text, want := range map[string]bool{"192.0.2.0": true, "192.0.2.7": false} {
		el := element{elemKey{id, key{peer: addr(text), proto: 6, port: 22}}, netip.AddrPort{}}.encode(time.Minute, "")
		if _, ok := id.decode(el, epoch); ok != want {
			t.Errorf("%s: %v, want %v", text, ok, want)
		}
	}
}

// TestMaskedLookup: the rule of a set of prefixes clears what is behind the prefix.
func TestMaskedLookup(t *testing.T) {
	for _, id := range []setID{{bits: 20}, {bits: 60, v6: true, shape: withLocal | withProto | withPort}} {
		r := id.lookupRule(&ownTable)
		i := slices.IndexFunc(r.Exprs, func(e expr.Any) bool { _, ok := e.(*expr.Bitwise); return ok })
		if i < 0 {
			t.Fatalf("%s: no mask", id)
		}
		b := r.Exprs[i].(*expr.Bitwise)
		if ones, size := net.IPMask(b.Mask).Size(); ones != int(id.bits) || size != 8*id.addrLen() || int(b.Len) != len(b.Xor) || b.DestRegister != firstReg {
			t.Errorf("%s: %+v", id, b)
		}
		if _, ok := r.Exprs[i-1].(*expr.Payload); !ok {
			t.Errorf("%s: the mask is not for the client's address", id)
		}
	}
}

// TestDecodeForeign: elements that were added by hand, or that are not whole.
func TestDecodeForeign(t *testing.T) {
	id := setID{role: enforce.Input, shape: withProto | withPort}
	k := key{peer: addr("192.0.2.7"), proto: uint8(enforce.TCP), port: 22}
	f, ok := id.decode(nft.SetElement{Key: id.marshal(k), Timeout: time.Hour, Expires: time.Minute, Comment: "from home"}, epoch)
	if !ok || !f.expires.Equal(epoch.Add(time.Minute)) {
		t.Errorf("decode = %+v, %v", f, ok)
	}
	if gs := assemble([]listedElem{f, f}); len(gs) != 2 || gs[0].Key() != "192.0.2.7 tcp/22" {
		t.Errorf("assemble = %v", gs)
	}
	whole := id.marshal(k)
	for n := range whole {
		if _, ok := id.unmarshal(whole[:n]); ok {
			t.Errorf("a key of %d bytes was read", n)
		}
	}
	dnat := setID{role: enforce.DNAT, shape: withProto | withPort}
	if _, ok := dnat.decode(nft.SetElement{Key: whole, Val: []byte{10, 0}}, epoch); ok {
		t.Error("a value of two bytes was read")
	}
}

// Rules that rewrite the destination are for this host alone; those of an earlier version
// are recognized.
func TestTranslationIsLocal(t *testing.T) {
	table := &nft.Table{Name: "t", Family: nft.TableFamilyINet}
	for _, id := range setIDs {
		r := id.lookupRule(table)
		local := slices.ContainsFunc(r.Exprs, func(e expr.Any) bool {
			f, ok := e.(*expr.Fib)
			return ok && f.FlagDADDR && f.ResultADDRTYPE
		})
		if local != (id.role == enforce.DNAT) || isOutdated(id.role, r) {
			t.Errorf("%s: local %v, outdated %v", id, local, isOutdated(id.role, r))
		}
		r.Exprs = slices.DeleteFunc(r.Exprs, func(e expr.Any) bool {
			_, ok := e.(*expr.Fib)
			return ok
		})
		if isOutdated(id.role, r) != (id.role == enforce.DNAT) {
			t.Errorf("%s of an earlier version: outdated %v", id, isOutdated(id.role, r))
		}
		r.UserData = nil
		if isOutdated(id.role, r) {
			t.Errorf("%s: a rule of the administrator is outdated", id)
		}
	}
}

func TestSetNames(t *testing.T) {
	for id, want := range map[setID]string{
		{role: enforce.Input, shape: withProto | withPort}:                                        "fwknop_input4",
		{role: enforce.Output, v6: true, shape: withLocal | withProto | withPort}:                 "fwknop_output6_dst",
		{role: enforce.Forward, shape: 0}:                                                         "fwknop_forward4_all",
		{role: enforce.DNAT, shape: withProto}:                                                    "fwknop_dnat4_proto",
		{role: enforce.SNAT, shape: withLocal}:                                                    "fwknop_snat4_dst_all",
		{role: enforce.SNAT, v6: true, shape: withLocal | withProto | withPort, masquerade: true}: "fwknop_masquerade6_dst",
		{role: enforce.Input, shape: withProto | withPort, bits: 24}:                              "fwknop_input4_net24",
		{role: enforce.DNAT, v6: true, shape: withLocal | withProto | withPort, bits: 64}:         "fwknop_dnat6_dst_net64",
	} {
		if got, ok := parseSetID(want); id.String() != want || !ok || got != id {
			t.Errorf("%+v is %q, want %q", id, id, want)
		}
	}
	for _, name := range []string{"input", "fwknop_input4_net", "fwknop_input4_net0", "fwknop_input4_net32", "fwknop_input4_net024", "fwknop_input4_net+24",
		"fwknop_input6_net128", "fwknop_input4_net24_net24", "fwknop_input4_net24_dst", "fwknop_input4_net300", "_net24"} {
		if id, ok := parseSetID(name); ok {
			t.Errorf("%q is taken for %+v", name, id)
		}
	}
	if want := 2 * len(shapes) * (int(roles) + 1); len(setIDs) != want {
		t.Errorf("%d names for %d sets", len(setIDs), want)
	}
}

func TestRefcounts(t *testing.T) {
	now := epoch
	at := func(sec int) time.Time { return epoch.Add(time.Duration(sec) * time.Second) }
	nat := func(port uint16, target string, end int) enforce.Grant {
		return enforce.Grant{Src: addr("192.0.2.7"), Ports: tcp(port), Expires: at(end), NAT: &enforce.NAT{Target: addrPort(target)}}.Normal()
	}
	r := newRefcounts(nil)
	one, two := nat(8080, "10.0.0.2:80", 10), nat(8081, "10.0.0.2:80", 20)
	r.add(one, now)
	r.add(two, now)
	shared := r.grants[two.Key()][1] // the element of the forward hook
	if cur, ok := r.current(shared, now); !ok || !cur.end.Equal(at(20)) {
		t.Errorf("shared element ends %v, %v, want with the longer grant", cur.end, ok)
	}
	r.drop(two.Key())
	if cur, ok := r.current(shared, now); !ok || !cur.end.Equal(at(10)) {
		t.Errorf("shared element ends %v, %v, want with the grant that is left", cur.end, ok)
	}
	if _, ok := r.current(shared, at(10)); ok {
		t.Error("shared element after the end of all")
	}

	other := nat(8080, "10.0.0.3:80", 5)
	r.add(other, now)
	front := r.grants[other.Key()][0]
	if cur, _ := r.current(front, now); cur.target != addrPort("10.0.0.3:80") || !cur.end.Equal(at(5)) {
		t.Errorf("target = %v until %v, want the newer", cur.target, cur.end)
	}
	if cur, _ := r.current(front, at(6)); cur.target != addrPort("10.0.0.2:80") {
		t.Errorf("target = %v, want the older after the end of the newer", cur.target)
	}

	short := one
	short.Expires = at(3)
	r.add(short, now)
	if end, _ := r.end(one.Key()); !end.Equal(at(10)) {
		t.Errorf("an earlier end replaced %v", end)
	}
}

// TestRefcountsDropEnded: it does not grow with what has ended.
func TestRefcountsDropEnded(t *testing.T) {
	r := newRefcounts(nil)
	now := epoch
	src := addr("198.18.0.1")
	for range 20 * firstSweep {
		r.add(enforce.Grant{Src: src, Ports: tcp(22), Expires: now.Add(time.Second)}.Normal(), now)
		src, now = src.Next(), now.Add(10*time.Millisecond) // 100 at a time
	}
	if len(r.grants) > 2*firstSweep || len(r.refs) > 2*firstSweep {
		t.Errorf("%d grants, %d elements for 100 that are open", len(r.grants), len(r.refs))
	}
}

func TestIsXtables(t *testing.T) {
	hook := nft.ChainHookInput
	for _, c := range []struct {
		family nft.TableFamily
		table  string
		chains []string
		want   bool
	}{
		{nft.TableFamilyIPv4, "filter", []string{"INPUT", "FORWARD", "OUTPUT"}, true},
		{nft.TableFamilyIPv6, "nat", []string{"PREROUTING"}, true},
		{nft.TableFamilyIPv4, "filter", []string{"input"}, false},
		{nft.TableFamilyIPv4, "filter", []string{"INPUT", "input"}, false},
		{nft.TableFamilyINet, "filter", []string{"INPUT"}, false},
		{nft.TableFamilyIPv4, "firewall", []string{"INPUT"}, false},
	} {
		table := &nft.Table{Family: c.family, Name: c.table}
		var l layout
		for _, name := range c.chains {
			l.chains = append(l.chains, &nft.Chain{Table: table, Name: name, Hooknum: hook})
		}
		if got := l.isXtables(table); got != c.want {
			t.Errorf("%s %s with %q: %v, want %v", familyName(c.family), c.table, c.chains, got, c.want)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		end  time.Time
		want time.Duration
	}{
		{time.Time{}, 0},
		{epoch.Add(1500 * time.Millisecond), 1510 * time.Millisecond},
		{epoch.Add(10 * time.Microsecond), jiffy}, // 0 would be for ever
		{epoch.Add(-time.Hour), jiffy},
	} {
		if got := timeout(c.end, epoch); got != c.want {
			t.Errorf("timeout(%v) = %v, want %v", c.end, got, c.want)
		}
	}
}

// FuzzKey: bytes of a listing never read beyond themselves, and keys survive.
func FuzzKey(f *testing.F) {
	f.Add(uint8(3), []byte{192, 0, 2, 7, 6, 0, 0, 0, 0, 22, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		names := make([]string, 0, len(setIDs))
		for name := range setIDs {
			names = append(names, name)
		}
		slices.Sort(names)
		id := setIDs[names[int(which)%len(names)]]
		k, ok := id.unmarshal(b)
		if !ok {
			return
		}
		if back, ok := id.unmarshal(id.marshal(k)); !ok || back != k {
			t.Fatalf("%s: %+v reads %+v", id, k, back)
		}
	})
}
