package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// Values of request.Connections: what is done with connections through what is revoked.
const (
	countConnections = "count"
	cutConnections   = "cut"
)

// Connections are those through grants that were closed.
type Connections struct {
	enforce.Connections
	// Rejected: what those that were cut still send is rejected.
	Rejected bool   `json:"rejected,omitempty"`
	Error    string `json:"error,omitempty"` // why they could not be counted or ended
}

// A cutter is an Enforcer that ends the connections of stanzas with CLOSE_CONNECTIONS, see
// [monitor.Monitor.WatchCuts].
type cutter interface {
	WatchCuts() (collect func(closed []enforce.Grant) (enforce.Connections, error))
}

// watchCuts is WatchCuts of an Enforcer that has it.
func watchCuts(k Enforcer) (collect func(closed []enforce.Grant) (enforce.Connections, error)) {
	if c, ok := k.(cutter); ok {
		return c.WatchCuts()
	}
	return func([]enforce.Grant) (none enforce.Connections, err error) { return none, nil }
}

// A localCutter ends connections where no daemon runs, by the stanzas of the configuration.
type localCutter struct {
	Enforcer
	access func() *conf.Access // read when it is needed
	guard  enforce.Guard
}

// WatchCuts implements cutter.
func (k localCutter) WatchCuts() (collect func(closed []enforce.Grant) (enforce.Connections, error)) {
	return k.cut
}

// cut ends the connections through those of the closed grants whose stanza says so.
func (k localCutter) cut(closed []enforce.Grant) (enforce.Connections, error) {
	var ended []enforce.Grant
	if len(closed) == 0 {
		return enforce.Connections{}, nil
	}
	access := k.access()
	for _, g := range closed {
		if st := access.StanzaAt(g.Stanza); st != nil && st.CloseConnections {
			ended = append(ended, g)
		}
	}
	if len(ended) == 0 {
		return enforce.Connections{}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	return cut(ctx, k.rejecter(), ended, func() []enforce.Grant {
		open, err := k.List(ctx)
		if err != nil { // which connections they let in is not known
			return closed
		}
		return open
	}, k.guard)
}

// rejecter is that of a [Host].
func (k localCutter) rejecter() enforce.Rejecter {
	fw, _ := k.Enforcer.(*firewall.Firewall)
	return fw.Rejecter()
}

// Flush implements [Enforcer].
func (k localCutter) Flush(ctx context.Context) error {
	open, err := k.List(ctx)
	if err := errors.Join(err, k.Enforcer.Flush(ctx)); err != nil {
		return err
	}
	_, _ = k.cut(open) // the grants are gone whatever becomes of their connections
	return nil
}

// addCut adds the connections that a cutter has ended before; err is that of its collect. rejecter is
// that of a [Host].
func (c *Connections) addCut(before enforce.Connections, rejecter enforce.Rejecter, err error) {
	rejects := rejecter != nil && err == nil
	c.Rejected = c.Cut+before.Cut > 0 && (c.Cut == 0 || c.Rejected) && (before.Cut == 0 || rejects)
	before.Open = 0 // they are looked at again
	c.Add(before)
}

// text returns what became of the connections, in lines. cut says that they were to end.
func (c *Connections) text(cut bool) (b []byte) {
	if c.Ended > 0 {
		b = fmt.Appendf(b, "ended %s\n", conf.Count(c.Ended, "connection"))
	}
	if c.Cut > 0 {
		what := "over unless the firewall lets the server send to the client first"
		if c.Rejected {
			what = "what " + choose(c.Cut, "it still sends", "they still send") + " is rejected"
		}
		b = fmt.Appendf(b, "cut %s, forwarded or by UDP: %s\n", conf.Count(c.Cut, "connection"), what)
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
