package nftables

import (
	"context"
	"testing"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// split is [enforcetest.Dropping] with a table for each family, and translations of its own.
const split = `
table ip fw {
	chain in { type filter hook input priority filter; policy drop; ct state established,related accept; }
	chain through { type filter hook forward priority filter; policy drop; ct state established,related accept; }
	chain out { type filter hook output priority filter; policy drop; ct state established,related accept; }
	chain pre { type nat hook prerouting priority dstnat; }
	chain post { type nat hook postrouting priority srcnat; }
}
table ip6 fw {
	chain in { type filter hook input priority filter; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; ct state established,related accept; }
	chain through { type filter hook forward priority filter; policy drop; ct state established,related accept; }
	chain out { type filter hook output priority filter; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; ct state established,related accept; }
	chain pre { type nat hook prerouting priority dstnat; }
}
`

func variant(name, ruleset, strict string, wipe ...string) enforcetest.Variant {
	v := enforcetest.Variant{
		Name: name, Tools: []string{"nft"},
		Open:  func(context.Context) (enforce.Backend, error) { return New(Config{}) },
		Guard: func(context.Context) (enforce.Backend, error) { return New(Config{Guard: enforcetest.Guarded}) },
		Publish: func(t testing.TB, lab *netlab.Lab) {
			lab.Server.Run(t, "nft flush ruleset")
			enforcetest.PublishRuleset(t, lab)
		},
		Protect: enforcetest.Load(ruleset),
		Strict:  enforcetest.Load(strict),
		Wipe: map[string]func(testing.TB, *netlab.NS){
			"ruleset": enforcetest.Load("flush ruleset\n" + ruleset),
		},
	}
	if len(wipe) > 0 {
		v.Wipe["table"] = enforcetest.Load("delete table " + wipe[0] + "\n" + ruleset)
		v.Wipe["rules of the table"] = enforcetest.Load("flush table " + wipe[0] + "\n" + ruleset)
	}
	return v
}

func TestBackend(t *testing.T) {
	t.Run("inet", func(t *testing.T) {
		enforcetest.Run(t, variant("inet", enforcetest.Dropping, enforcetest.DroppingStrict, "inet filter"))
	})
	t.Run("split", func(t *testing.T) {
		v := variant("split", split, `flush chain ip fw out
			flush chain ip6 fw out
			add rule ip6 fw out icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`)
		v.Open = func(context.Context) (enforce.Backend, error) { return New(Config{CloseConnections: true}) }
		enforcetest.Run(t, v)
	})
}

func BenchmarkBackend(b *testing.B) {
	enforcetest.Bench(b, variant("inet", enforcetest.Dropping, ""))
}
