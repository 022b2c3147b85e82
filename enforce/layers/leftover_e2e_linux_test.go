package layers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
	"fwknopd/fixtures/netlab"
)

// TestEndedLeftBehind: the table of an earlier FIREWALL_TYPE firewalld goes at start where
// firewalld has no rules any more; else it stays and is named.
func TestEndedLeftBehind(t *testing.T) {
	const theirs = "table inet firewalld { chain filter_INPUT { type filter hook input priority 10; }\n}\n"
	for name, c := range map[string]struct {
		rules  string
		inUse  bool
		stays  bool
		listed string
	}{
		"firewalld is gone":   {"", false, false, "the daemon removes it when it starts"},
		"its rules are there": {theirs, false, true, "rules of firewalld are left, too, and may open these without it"},
		"firewalld is in use": {"", true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			lab.Server.RunInput(t, c.rules+"table inet fwknop_ended { chain ended { type filter hook prerouting priority -190; ip saddr 192.0.2.7 tcp dport 22 ct state new drop\n}\n}", "nft -f -")
			var lines, notes []string
			lab.Server.Do(func() {
				cfg := config(t)
				if c.inUse {
					first := cfg.Layers[1]
					first.Kind = ruleset.Firewalld
					cfg.Layers = append([]Layer{first}, cfg.Layers...)
				}
				var err error
				if lines, err = Look(t.Context(), cfg); err != nil {
					t.Error(err)
				}
				if cfg.NFTables = config(t).NFTables; t.Failed() {
					return
				}
				b := setUp(t, cfg)
				if b == nil {
					return
				}
				defer b.Close()
				notes = b.Notes()
			})
			said := strings.Join(lines, "\n")
			if named := strings.Contains(said, ruleset.EndedLeft); named != (c.listed != "") || !strings.Contains(said, c.listed) {
				t.Errorf("the survey says\n%s", said)
			}
			if stays := strings.Contains(lab.Server.Run(t, "nft list tables"), ruleset.EndedTable); stays != c.stays {
				t.Errorf("the table stays: %v", stays)
			}
			if noted := strings.Contains(strings.Join(notes, "\n"), ruleset.EndedLeft); noted != (c.stays && c.listed != "") {
				t.Errorf("notes: %q", notes)
			}
		})
	}
}

// TestChainsLeftBehind: chains of ours that an earlier FIREWALL_TYPE left in a firewall open nothing
// there, so what it drops is named.
func TestChainsLeftBehind(t *testing.T) {
	for left, c := range map[string]struct {
		wall, used string
		base       string
	}{
		"nftables":        {"nft", "iptables-nft", "table inet filter chain input"},
		"iptables-nft":    {"iptables-nft", "nftables", "iptables-nft filter INPUT"},
		"iptables-legacy": {"iptables-legacy", "nftables", "iptables-legacy filter INPUT"},
	} {
		t.Run(left, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			walls[c.wall].up(t, lab.Server)
			var lines, blockers []string
			lab.Server.Do(func() {
				if b := setUp(t, only(t, left)); b != nil {
					b.Close()
				}
				var err error
				if lines, err = Look(t.Context(), only(t, c.used)); err != nil {
					t.Error(err)
				}
				b := setUp(t, only(t, c.used))
				if b == nil {
					return
				}
				defer b.Close()
				g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute)}
				if err = enforce.Open(t.Context(), b, g); err == nil {
					blockers, err = b.Blocked(t.Context(), g)
				}
				if err != nil {
					t.Error(err)
				}
			})
			if said := strings.Join(lines, "\n"); !strings.Contains(said, c.base+" "+ruleset.NotOpened) {
				t.Errorf("the survey says\n%s", said)
			}
			if !slices.Contains(blockers, c.base) {
				t.Errorf("the grant is blocked by %q", blockers)
			}
		})
	}
}

// only is config with one layer, as of a FIREWALL_TYPE other than auto.
func only(t testing.TB, layer string) Config {
	t.Helper()
	cfg := config(t)
	cfg.Fixed = true
	cfg.Layers = slices.DeleteFunc(cfg.Layers, func(l Layer) bool { return l.Name != layer })
	return cfg
}
