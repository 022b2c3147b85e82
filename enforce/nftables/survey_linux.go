package nftables

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// A Survey is what nf_tables holds, of all programs.
type Survey struct {
	// Bases are the base chains on hooks that packets of grants pass, but for those
	// of iptables-nft.
	Bases []*ruleset.Base
	// IPTables are the tables of iptables-nft, which its own program has to read.
	IPTables []XTable
	// NAT: another program has a chain of type nat on the prerouting hook.
	NAT bool
	// Published are ports that such chains send on to other hosts.
	Published []ruleset.Published
	// Generation of the ruleset before it was read.
	Generation uint32
}

// An XTable is a table of iptables-nft.
type XTable struct {
	V6   bool
	Name string // filter, mangle, raw, security, nat
}

// Generation is the number of the ruleset as it is now.
func (b *Backend) Generation() (uint32, error) { return b.counter.Now() }

// Survey reads the ruleset.
func (b *Backend) Survey(ctx context.Context) (*Survey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	var s Survey
	var err error
	if s.Generation, err = b.counter.Now(); err != nil {
		return nil, err
	}
	l, err := b.readLayout()
	if err == nil {
		err = b.survey(l, &s)
	}
	if err != nil {
		return nil, b.redial(err)
	}
	return &s, nil
}

func (b *Backend) survey(l *layout, s *Survey) error {
	for _, t := range l.tables {
		if l.isXtables(t) {
			s.IPTables = append(s.IPTables, XTable{V6: t.Family == nft.TableFamilyIPv6, Name: t.Name})
			continue
		}
		bases := l.basesOf(t)
		if len(bases) == 0 {
			continue
		}
		chains, err := b.readChains(l, t)
		if err != nil {
			return err
		}
		s.Published = append(s.Published, l.publishedIn(t, chains)...)
		for _, base := range bases {
			base.Chains = chains
			s.Bases = append(s.Bases, base)
		}
	}
	s.NAT = slices.ContainsFunc(l.chains, func(c *nft.Chain) bool {
		return c.Type == nft.ChainTypeNAT && c.Hooknum != nil && *c.Hooknum == *nft.ChainHookPrerouting && !l.isXtables(c.Table)
	})
	return nil
}

// basesOf are the base chains of a table that can drop what is for a grant.
func (l *layout) basesOf(t *nft.Table) (bases []*ruleset.Base) {
	for _, c := range l.chains {
		if c.Hooknum == nil || !sameTable(c.Table, t) || isEndedBase(c) {
			continue
		}
		hook, ok := hookOf(t.Family, *c.Hooknum)
		if !ok {
			continue
		}
		base := &ruleset.Base{
			Layer: ruleset.NFTables, Name: fmt.Sprintf("table %s %s chain %s", surveyName(t.Family), t.Name, c.Name), Table: t.Name,
			Hook: hook, V4: t.Family != nft.TableFamilyIPv6, V6: t.Family != nft.TableFamilyIPv4,
			Policy: ruleset.Accept, Chain: c.Name, Ours: ourChains,
		}
		if c.Policy != nil && *c.Policy == nft.ChainPolicyDrop {
			base.Policy = ruleset.Drop
		}
		if isOwned(t) {
			base.Why = "the table belongs to a running program alone"
		}
		bases = append(bases, base)
	}
	return bases
}

// ourChains are the names of all chains that we make, as [ruleset.Base.Ours].
var ourChains = func() map[string]bool {
	names := make(map[string]bool)
	for role := range roles {
		names[chainName(role)] = role != enforce.Guarded
	}
	return names
}()

// inetIngress is NF_INET_INGRESS.
const inetIngress nft.ChainHook = 5

var inetHooks = map[nft.ChainHook]ruleset.Hook{
	unix.NF_INET_PRE_ROUTING: ruleset.Prerouting, unix.NF_INET_LOCAL_IN: ruleset.Input, unix.NF_INET_FORWARD: ruleset.Forward,
	unix.NF_INET_LOCAL_OUT: ruleset.Output, unix.NF_INET_POST_ROUTING: ruleset.Postrouting, inetIngress: ruleset.Ingress,
}

// hookOf translates a number, which means different hooks in different families; ok is
// false for bridges and ARP, which are not on the way of every packet.
func hookOf(f nft.TableFamily, n nft.ChainHook) (hook ruleset.Hook, ok bool) {
	switch f {
	case nft.TableFamilyINet, nft.TableFamilyIPv4, nft.TableFamilyIPv6:
		hook, ok = inetHooks[n]
		return hook, ok
	case nft.TableFamilyNetdev:
		if n == unix.NF_NETDEV_EGRESS {
			return ruleset.Egress, true
		}
		return ruleset.Ingress, true
	}
	return 0, false
}

func surveyName(f nft.TableFamily) string {
	if f == nft.TableFamilyNetdev {
		return "netdev"
	}
	return familyName(f)
}

// readChains reads the rules of a table, and of its sets those that a rule cannot do
// without.
func (b *Backend) readChains(l *layout, t *nft.Table) (map[string][]ruleset.Rule, error) {
	chains := make(map[string][]ruleset.Rule)
	sets, named := make(map[string]*setContents), make(map[string]*setContents)
	for _, c := range l.chains {
		if !sameTable(c.Table, t) {
			continue
		}
		chains[c.Name] = nil
		if _, ours := ourChains[c.Name]; ours {
			continue
		}
		rules, err := b.rulesOf(t, c)
		if err != nil {
			return nil, fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			if err := b.readSets(t, r, sets); err != nil {
				return nil, err
			}
			if err := b.readPortSets(t, r, named); err != nil {
				return nil, err
			}
			chains[c.Name] = append(chains[c.Name], &rule{r.Exprs, sets, named})
		}
	}
	return chains, nil
}

// readSets reads the sets without a name that a rule uses, and its verdict maps. Others
// can be large, and change between two surveys.
func (b *Backend) readSets(t *nft.Table, r *nft.Rule, sets map[string]*setContents) error {
	for _, e := range r.Exprs {
		l, ok := e.(*expr.Lookup)
		if !ok || sets[l.SetName] != nil || !isAnonymous(l.SetName) && (!l.IsDestRegSet || l.DestRegister != 0) {
			continue
		}
		els, err := b.elements(t, l.SetName)
		if err != nil {
			return err
		}
		if l.IsDestRegSet && l.DestRegister == 0 {
			for i := range els {
				els[i].VerdictData = parseVerdict(els[i].Val)
			}
		}
		sets[l.SetName] = collect(els)
	}
	return nil
}

// readPortSets reads the sets and maps with a name from which a rule takes what it publishes. No
// rule is judged by them.
func (b *Backend) readPortSets(t *nft.Table, r *nft.Rule, named map[string]*setContents) error {
	for _, name := range portSets(r.Exprs) {
		if named[name] != nil || isAnonymous(name) {
			continue
		}
		els, err := b.elements(t, name)
		if err != nil {
			return err
		}
		named[name] = collect(els)
	}
	return nil
}

func (b *Backend) elements(t *nft.Table, set string) ([]nft.SetElement, error) {
	els, err := b.conn.GetSetElements(&nft.Set{Table: t, Name: set})
	if err != nil {
		return nil, fmt.Errorf("list elements of set %s: %w", set, err)
	}
	return els, nil
}

// parseVerdict reads the value of a verdict map, which the library leaves as it is; nil
// for anything else.
func parseVerdict(value []byte) *expr.Verdict {
	ad, err := netlink.NewAttributeDecoder(value)
	if err != nil {
		return nil
	}
	ad.ByteOrder = binary.BigEndian
	v := new(expr.Verdict)
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			v.Kind = expr.VerdictKind(int32(ad.Uint32()))
		case unix.NFTA_VERDICT_CHAIN:
			v.Chain = ad.String()
		}
	}
	if ad.Err() != nil {
		return nil
	}
	return v
}

// isAnonymous reports whether the kernel has made up the name of a set.
func isAnonymous(set string) bool { return len(set) > 5 && (set[:5] == "__set" || set[:5] == "__map") }
