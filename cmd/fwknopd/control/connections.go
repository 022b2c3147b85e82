package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"fwknopd/policy/conf"
)

// Values of request.Connections: what is done with connections through what is revoked.
const (
	countConnections = "count"
	cutConnections   = "cut"
)

// Connections are those through grants that were closed.
type Connections struct {
	Open  int    `json:"open"`            // that go on
	Ended int    `json:"ended"`           // of sockets of this host
	Cut   int    `json:"cut"`             // forwarded or by UDP: the firewall does not know them any more
	Error string `json:"error,omitempty"` // why they could not be counted or ended
}

// text returns what became of the connections, in lines. cut says that they were to end.
func (c *Connections) text(cut bool) (b []byte) {
	if c.Ended > 0 {
		b = fmt.Appendf(b, "ended %s\n", conf.Count(c.Ended, "connection"))
	}
	if c.Cut > 0 {
		b = fmt.Appendf(b, "cut %s, forwarded or by UDP: over unless the firewall lets the server send to the client first\n", conf.Count(c.Cut, "connection"))
	}
	if c.Open > 0 && !cut {
		b = fmt.Appendf(b, "%s %s open; --cut ends %s\n", conf.Count(c.Open, "connection"), choose(c.Open, "stays", "stay"), choose(c.Open, "it", "them"))
	}
	return b
}

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// err returns what is wrong with the connections, nil if nothing is.
func (c *Connections) err() error {
	switch {
	case c.Open > 0 && c.Error != "":
		return fmt.Errorf("could not end %s: %s", conf.Count(c.Open, "connection"), c.Error)
	case c.Error != "":
		return errors.New("connections: " + c.Error)
	}
	return nil
}

// addJSON adds the connections to a document that GrantsJSON returned.
func (c *Connections) addJSON(document []byte) []byte {
	object, err := json.Marshal(c)
	if err != nil {
		return document // not reached: numbers and strings always encode
	}
	return fmt.Appendf(bytes.TrimSuffix(document, []byte("}\n")), ",\"connections\":%s}\n", object)
}
