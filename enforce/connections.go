package enforce

// Connections counts what became of the connections through grants that have ended.
type Connections struct {
	Open  int `json:"open"`  // that go on
	Ended int `json:"ended"` // of sockets of this host
	Cut   int `json:"cut"`   // forwarded or by UDP: the firewall does not know them any more
}

// Add adds the counts of o.
func (c *Connections) Add(o Connections) {
	c.Open, c.Ended, c.Cut = c.Open+o.Open, c.Ended+o.Ended, c.Cut+o.Cut
}
