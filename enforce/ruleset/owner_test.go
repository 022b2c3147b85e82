package ruleset

import "testing"

func TestOwner(t *testing.T) {
	docker := map[string][]Rule{"DOCKER-USER": nil, "DOCKER": nil}
	for _, c := range []struct {
		name string
		base Base
		want string
	}{
		{"firewalld", Base{Layer: NFTables, Table: "firewalld", Hook: Input}, "firewalld"},
		{"a table of iptables of that name", Base{Layer: IPTablesNFT, Table: "firewalld", Hook: Input}, ""},
		{"a layer of its own", Base{Layer: Firewalld, Table: "filter", Hook: Input}, "firewalld"},
		{"firewalld with iptables", Base{Layer: IPTablesLegacy, Table: "filter", Hook: Input, Chains: map[string][]Rule{"INPUT_direct": nil}}, "firewalld"},
		{"Docker", Base{Layer: IPTablesNFT, Table: "filter", Hook: Forward, Chains: docker}, "Docker"},
		{"input beside Docker", Base{Layer: IPTablesNFT, Table: "filter", Hook: Input, Chains: docker}, ""},
		{"ufw", Base{Layer: IPTablesNFT, Table: "filter", Hook: Input, Chains: map[string][]Rule{"ufw-before-input": nil}}, "ufw"},
		{"an administrator", Base{Layer: NFTables, Table: "filter", Hook: Input}, ""},
	} {
		if got := c.base.Owner(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
