package ruleset

// A maker is a program that manages rules, and the names by which its chains are known.
type maker struct {
	name   string
	tables []string          // of nf_tables, that it alone uses
	chains map[Hook][]string // that base chains of a table of iptables lead to
}

// FirewalldName is the owner of chains that firewalld manages, FirewalldTable its table of
// nf_tables.
const (
	FirewalldName  = "firewalld"
	FirewalldTable = "firewalld"
)

// EndedTable is the table of nf_tables in which the backend for firewalld drops new connections
// of grants that have ended while firewalld did not answer.
const EndedTable = "fwknop_ended"

// makers are by the tables and chains that they make: firewalld 2.3, 1.3 and 0.9 (iptables as its
// backend), Docker 20 to 28 and 29 with nftables, ufw 0.36.
var makers = []maker{
	{FirewalldName, []string{FirewalldTable}, map[Hook][]string{Input: {"INPUT_direct"}, Forward: {"FORWARD_direct"}, Output: {"OUTPUT_direct"}}},
	{"Docker", []string{"docker-bridges"}, map[Hook][]string{Forward: {DockerUser, "DOCKER-FORWARD", "DOCKER-ISOLATION-STAGE-1"}}},
	{"ufw", nil, map[Hook][]string{Input: {"ufw-before-input"}, Forward: {"ufw-before-forward"}, Output: {"ufw-before-output"}}},
}

// Owner returns the program that manages b, "" if that is not known: an administrator.
func (b *Base) Owner() string {
	if b.Layer == Firewalld {
		return FirewalldName
	}
	for _, m := range makers {
		for _, table := range m.tables {
			if b.Layer == NFTables && b.Table == table {
				return m.name
			}
		}
		for _, chain := range m.chains[b.Hook] {
			if _, has := b.Chains[chain]; has && b.Layer != NFTables {
				return m.name
			}
		}
	}
	return ""
}
