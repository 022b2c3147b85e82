package layers

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// BenchmarkForeign is what 5,000 rules cost that another daemon left in our chain: a
// grant after it changed one of them, and the repair that takes them over.
func BenchmarkForeign(b *testing.B) {
	netlab.Need(b, "iptables-nft", "ip6tables-nft")
	end := time.Now().Add(time.Hour)
	for _, bench := range []struct {
		name string
		run  func(*Backend, netip.Addr) error
	}{
		{"grant", func(be *Backend, src netip.Addr) error {
			return enforce.Open(context.Background(), be, enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: end})
		}},
		{"repair", func(be *Backend, _ netip.Addr) error {
			diff, err := be.Compare(context.Background(), nil)
			if err == nil && len(diff.Found) < 5000 {
				err = fmt.Errorf("%d rules taken over", len(diff.Found))
			}
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ns := netlab.New(b).Server
			ns.Do(func() {
				be, err := New(context.Background(), config(b))
				if err == nil {
					err = be.Setup(context.Background())
				}
				if err != nil {
					b.Fatal(err)
				}
				defer be.Close()
				var rules strings.Builder
				src := netip.MustParseAddr("172.16.0.0")
				for range 5000 {
					src = src.Next()
					fmt.Fprintf(&rules, "-A FWKNOP_INPUT -s %s/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_%d -j ACCEPT\n", src, end.Unix())
				}
				ns.RunInput(b, "*filter\n"+rules.String()+"COMMIT\n", "iptables-nft-restore --noflush")
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					ns.Run(b, fmt.Sprintf("iptables-nft -I FWKNOP_INPUT -s 10.1.%d.%d -p tcp --dport 22 -j ACCEPT", i>>8, i&255))
					src = src.Next()
					b.StartTimer()
					if err := bench.run(be, src); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
