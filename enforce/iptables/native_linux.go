package iptables

import (
	"fmt"

	nft "github.com/google/nftables"
)

// hasChain asks the kernel whether nf_tables has a chain in a table of iptables-nft.
func (t *tool) hasChain(table, chain string) (bool, error) {
	family := nft.TableFamilyIPv4
	if t.v6 {
		family = nft.TableFamilyIPv6
	}
	conn, err := nft.New()
	if err != nil {
		return false, fmt.Errorf("connect to nf_tables: %w", err)
	}
	defer conn.CloseLasting()
	chains, err := conn.ListChainsOfTableFamily(family)
	if err != nil {
		return false, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name == table && c.Name == chain {
			return true, nil
		}
	}
	return false, nil
}
