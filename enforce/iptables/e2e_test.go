package iptables

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

const (
	soon  = 2 * time.Second        // long enough for an open port to answer
	never = 150 * time.Millisecond // long enough to say that it does not
)

var ctx = context.Background()

// A bench is a lab with a backend of one variant that works in its server
// namespace.
type bench struct {
	*netlab.Lab
	t testing.TB
	*Backend
	path4, path6 string
}

// eachVariant runs a test for iptables-nft and iptables-legacy.
func eachVariant(t *testing.T, cfg Config, test func(*testing.T, *bench)) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			path4, path6 := "iptables-"+variant, "ip6tables-"+variant
			netlab.Need(t, path4, path6)
			b := &bench{Lab: netlab.New(t), t: t, path4: path4, path6: path6}
			cfg.Path = path4
			b.Backend = b.newBackend(cfg)
			test(t, b)
		})
	}
}

func (b *bench) newBackend(cfg Config) (backend *Backend) {
	b.t.Helper()
	b.Server.Do(func() {
		var err error
		if backend, err = New(ctx, cfg); err != nil {
			b.t.Fatal(err)
		}
		if notes := backend.Notes(); len(notes) > 0 {
			b.t.Errorf("notes: %q", notes)
		}
		if err := backend.Setup(ctx); err != nil {
			b.t.Fatal(err)
		}
	})
	return backend
}

// do runs a call of the backend in the server's namespace.
func (b *bench) do(f func() error) {
	b.t.Helper()
	b.Server.Do(func() {
		if err := f(); err != nil {
			b.t.Fatal(err)
		}
	})
}

// both runs a command line of iptables for each family.
func (b *bench) both(args string) {
	b.t.Helper()
	b.Server.Run(b.t, b.path4+" "+args)
	b.Server.Run(b.t, b.path6+" "+args)
}

// drop makes a chain drop what its rules do not accept; neighbour discovery and
// known connections pass.
func (b *bench) drop(chain string) {
	b.t.Helper()
	b.both("-A " + chain + " -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
	for _, kind := range []string{"135", "136"} {
		b.Server.Run(b.t, b.path6+" -A "+chain+" -p icmpv6 --icmpv6-type "+kind+" -j ACCEPT")
	}
	b.both("-P " + chain + " DROP")
}

// ends are the addresses of client and server in one family.
func (b *bench) ends(v6 bool) (client, server netip.Addr) {
	if v6 {
		return b.Client.V6, b.Server.V6
	}
	return b.Client.V4, b.Server.V4
}

func tcp(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }

func TestInput(t *testing.T) {
	eachVariant(t, Config{}, func(t *testing.T, b *bench) {
		b.drop("INPUT")
		for _, proto := range []string{"tcp", "udp"} {
			netlab.Serve(t, b.Server, proto, 22)
			netlab.Serve(t, b.Server, proto, 23)
		}
		b.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.3"), 1)
		b.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("fd77::3"), 1)
		for _, v6 := range []bool{false, true} {
			src, dst := b.ends(v6)
			other := src.Next()
			reach := func(proto string, src netip.Addr, port uint16, within time.Duration) bool {
				return netlab.CanReach(b.Client, proto, src, netip.AddrPortFrom(dst, port), within)
			}
			if reach("tcp", src, 22, never) {
				t.Fatalf("%s: open before the grant", src)
			}
			g := enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(time.Minute), Stanza: 3}
			b.do(func() error { return b.Apply(ctx, g) })
			if !reach("tcp", src, 22, soon) {
				t.Errorf("%s: tcp/22 is not open", src)
			}
			if reach("udp", src, 22, never) || reach("tcp", src, 23, never) || reach("tcp", other, 22, never) {
				t.Errorf("%s: more is open than tcp/22 for this address", src)
			}
			b.do(func() error { return b.Revoke(ctx, g) })
			if reach("tcp", src, 22, never) {
				t.Errorf("%s: open after Revoke", src)
			}
		}
	})
}
