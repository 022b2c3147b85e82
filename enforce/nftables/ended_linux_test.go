package nftables

import (
	"net/netip"
	"testing"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// flow is a connection from 192.0.2.7:40022 or [2001:db8::7]:40022.
func flow(proto enforce.Proto, dst, server string) enforce.Flow {
	f := enforce.Flow{Proto: proto, Client: addrPort("192.0.2.7:40022"), Dst: addrPort(dst), Server: addrPort(server)}
	if f.Dst.Addr().Is6() {
		f.Client = addrPort("[2001:db8::7]:40022")
	}
	return f
}

// What the kernel keeps of a connection is enough to know it again.
func TestEndedElements(t *testing.T) {
	for _, c := range []struct {
		f     enforce.Flow
		n     int
		first time.Duration
	}{
		{flow(enforce.TCP, "198.51.100.1:22", "198.51.100.1:22"), 1, endedTCP},
		{flow(enforce.UDP, "198.51.100.1:53", "198.51.100.1:53"), 1, endedUDP},
		{flow(enforce.TCP, "198.51.100.1:2222", "10.0.0.2:22"), 2, endedTCP},
		{flow(enforce.UDP, "[2001:db8::1]:2222", "[fd00::2]:22"), 2, endedUDP},
	} {
		els := endedElements(c.f, epoch)
		if len(els) != c.n {
			t.Errorf("%+v: %d elements, want %d", c.f, len(els), c.n)
		}
		if main := els[endedKey{c.f.Proto, c.f.Client, c.f.Server}]; main.until != epoch.Add(c.first) {
			t.Errorf("%+v: until %v", c.f, main.until)
		}
		for k, f := range els {
			el := f.encode(k, time.Minute)
			el.Expires = time.Minute
			key, got, ok := decodeEnded(el, k.v6(), epoch)
			if !ok || key != k || got.Flow != c.f || got.until != epoch.Add(time.Minute) {
				t.Errorf("%+v, %+v, %v, want %+v", key, got, ok, c.f)
			}
			if _, _, ok := decodeEnded(el, !k.v6(), epoch); ok {
				t.Error("it is one of the other family too")
			}
			bare := flow(k.proto, k.server.String(), k.server.String())
			if _, got, _ := decodeEnded(nft.SetElement{Key: el.Key}, k.v6(), epoch); got.Flow != bare {
				t.Errorf("without a comment %+v, want %+v", got, bare)
			}
		}
	}
}

// Which open grants let a connection in, whose packets are then not rejected.
func TestLets(t *testing.T) {
	direct := flow(enforce.TCP, "198.51.100.1:22", "198.51.100.1:22")
	routed := flow(enforce.TCP, "10.0.0.2:22", "10.0.0.2:22")
	translated := flow(enforce.TCP, "198.51.100.1:2222", "10.0.0.2:22")
	six := flow(enforce.UDP, "[2001:db8::1]:22", "[2001:db8::1]:22")
	client, target := addr("192.0.2.7"), addrPort("10.0.0.2:22")
	forward := &enforce.NAT{Target: target}
	for _, c := range []struct {
		name string
		f    enforce.Flow
		g    enforce.Grant
		dnat bool // this backend translates
		want bool
	}{
		{"its port", direct, enforce.Grant{Src: client, Ports: tcp(22)}, false, true},
		{"another port", direct, enforce.Grant{Src: client, Ports: tcp(23)}, false, false},
		{"another protocol", direct, enforce.Grant{Src: client, Ports: []enforce.Port{{Proto: enforce.UDP, Number: 22}}}, false, false},
		{"another client", direct, enforce.Grant{Src: addr("192.0.2.8"), Ports: tcp(22)}, false, false},
		{"everything", direct, enforce.Grant{Src: client, All: true}, false, true},
		{"our address", direct, enforce.Grant{Src: client, Dst: direct.Dst.Addr(), Ports: tcp(22)}, false, true},
		{"another address", direct, enforce.Grant{Src: client, Dst: addr("198.51.100.2"), Ports: tcp(22)}, false, false},
		{"a prefix", direct, enforce.Grant{Src: addr("192.0.2.0"), Bits: 24, Ports: tcp(22)}, false, true},
		{"another prefix", direct, enforce.Grant{Src: addr("192.0.3.0"), Bits: 24, Ports: tcp(22)}, false, false},
		{"forwarded", routed, enforce.Grant{Src: client, Dst: target.Addr(), Ports: tcp(22), NAT: new(enforce.NAT)}, false, true},
		{"translated", translated, enforce.Grant{Src: client, Ports: tcp(2222), NAT: forward}, true, true},
		{"translated from another port", translated, enforce.Grant{Src: client, Ports: tcp(2223), NAT: forward}, true, false},
		{"translated elsewhere", translated, enforce.Grant{Src: client, Ports: tcp(2222), NAT: forward}.Filtered(), false, true},
		{"published by others", translated, enforce.Grant{Src: client, Ports: tcp(2222)}, false, true},
		{"IPv6", six, enforce.Grant{Src: six.Client.Addr(), Ports: []enforce.Port{{Proto: enforce.UDP, Number: 22}}}, false, true},
	} {
		b := &Backend{refs: newRefcounts(nil), ended: newEnded(true)}
		b.uses[enforce.DNAT] = c.dnat
		changed := make(map[elemKey]ref)
		b.ended.add(endedElements(c.f, epoch))
		c.g.Expires = epoch.Add(time.Minute)
		for _, part := range c.g.Split() {
			b.refs.add(part, epoch)
			for _, e := range elements(part, nil) {
				changed[e.elemKey] = ref{}
				b.placements[e.set.role] = []*placement{{sets: map[setID]*nft.Set{e.set: nil}}}
			}
		}
		if got := b.lets(&c.f, epoch); got != c.want {
			t.Errorf("%s: lets it in: %v", c.name, got)
		}
		in := b.letIn(changed, epoch)
		if got := len(in) > 0; got != c.want || c.want && len(in) != b.ended.count {
			t.Errorf("%s: a new grant lets in %v", c.name, in)
		}
		if b.lets(&c.f, c.g.Expires.Add(time.Second)) {
			t.Errorf("%s: lets it in after its end", c.name)
		}
		if b.ended.drop(in); c.want != (b.ended.count == 0 && len(b.ended.byClient) == 0) {
			t.Errorf("%s: %d are left", c.name, b.ended.count)
		}
	}
}

// A grant that is opened costs nothing more where no connection is rejected.
func TestLetInNone(t *testing.T) {
	b := &Backend{refs: newRefcounts(nil), ended: newEnded(true)}
	changed := map[elemKey]ref{{}: {}}
	if n := testing.AllocsPerRun(100, func() { b.letIn(changed, epoch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A grant that is opened looks at the connections of its client alone.
func BenchmarkLetIn(b *testing.B) {
	backend := &Backend{refs: newRefcounts(nil), ended: newEnded(true)}
	for i := range maxEnded {
		f := flow(enforce.TCP, "198.51.100.1:22", "198.51.100.1:22")
		f.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 4), byte(i << 4)}), 40022)
		backend.ended.add(endedElements(f, epoch))
	}
	part := enforce.Grant{Src: addr("10.0.0.16"), Ports: tcp(22), Expires: epoch.Add(time.Minute)}
	backend.refs.add(part, epoch)
	changed := make(map[elemKey]ref)
	for _, e := range elements(part, nil) {
		changed[e.elemKey] = ref{}
	}
	for b.Loop() {
		if in := backend.letIn(changed, epoch); len(in) != 1 {
			b.Fatal(in)
		}
	}
}
