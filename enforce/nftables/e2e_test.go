package nftables

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// dropping is a ruleset as a user has it: every hook drops what it does not know.
const dropping = `
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
	}
	chain output {
		type filter hook output priority filter; policy drop;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
`

const (
	soon  = 2 * time.Second        // long enough for an open port to answer
	never = 150 * time.Millisecond // long enough to say that it does not
)

var ctx = context.Background()

// newBackend works in the server namespace of the lab.
func newBackend(t testing.TB, lab *netlab.Lab, cfg Config) *Backend {
	t.Helper()
	var b *Backend
	var err error
	lab.Server.Do(func() { b, err = New(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

func tcp(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }

func TestInput(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	lab.Server.RunInput(t, dropping+"delete chain inet filter output", "nft -f -")
	for _, proto := range []string{"tcp", "udp"} {
		netlab.Serve(t, lab.Server, proto, 22)
		netlab.Serve(t, lab.Server, proto, 23)
	}
	b := newBackend(t, lab, Config{})
	others := append(lab.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.3"), 1),
		lab.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("fd77::3"), 1)...)
	for i, src := range []netip.Addr{lab.Client.V4, lab.Client.V6} {
		dst := []netip.Addr{lab.Server.V4, lab.Server.V6}[i]
		reach := func(proto string, src netip.Addr, port uint16, within time.Duration) bool {
			return netlab.CanReach(lab.Client, proto, src, netip.AddrPortFrom(dst, port), within)
		}
		if reach("tcp", src, 22, never) {
			t.Fatalf("%s: open before the grant", src)
		}
		g := enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(time.Minute), Stanza: 3}
		if err := b.Apply(ctx, g); err != nil {
			t.Fatal(err)
		}
		if !reach("tcp", src, 22, soon) {
			t.Errorf("%s: tcp/22 is not open", src)
			t.Log(lab.Server.Run(t, "nft list ruleset"))
		}
		if reach("udp", src, 22, never) || reach("tcp", src, 23, never) || reach("tcp", others[i], 22, never) {
			t.Errorf("%s: more is open than tcp/22 for this address", src)
		}
		if err := b.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
		if reach("tcp", src, 22, never) {
			t.Errorf("%s: open after Revoke", src)
		}
	}
}
