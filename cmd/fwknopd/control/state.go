package control

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"fwknopd/enforce"
)

// A grantState is one grant in JSON, with the member names of the event log. Members
// may be added, never removed or changed.
type grantState struct {
	Src      string   `json:"src"`
	Ports    []string `json:"ports"`
	Expires  string   `json:"expires,omitempty"` // absent: no expiry
	Left     *float64 `json:"remaining_s,omitempty"`
	Stanza   int      `json:"stanza,omitempty"`
	User     string   `json:"user,omitempty"`
	Dst      string   `json:"dst,omitempty"`
	Output   bool     `json:"output,omitempty"`
	Forward  string   `json:"forward,omitempty"`
	Local    bool     `json:"local,omitempty"`
	SNAT     string   `json:"snat,omitempty"`
	External []string `json:"external,omitempty"`
	Foreign  string   `json:"foreign,omitempty"` // a rule of another program
}

func newGrantState(g enforce.Grant, now time.Time) grantState {
	s := grantState{Src: g.Src.String(), Ports: g.PortNames(), Stanza: g.Stanza, User: g.User, Output: g.Output, Foreign: g.Foreign}
	if !g.Expires.IsZero() {
		left := max(g.Expires.Sub(now).Round(time.Millisecond).Seconds(), 0)
		s.Expires, s.Left = g.Expires.UTC().Format(time.RFC3339Nano), &left
	}
	if g.Dst.IsValid() {
		s.Dst = g.Dst.String()
	}
	if n := g.NAT; n != nil {
		s.Forward, s.Local = "any", n.Local
		if n.Target.IsValid() {
			s.Forward = n.Target.String()
		}
		switch {
		case n.Masquerade:
			s.SNAT = "masquerade"
		case n.SNAT.IsValid():
			s.SNAT = n.SNAT.String()
		}
	}
	if g.External != nil {
		s.External = g.External.Open
	}
	return s
}

func printGrants(w io.Writer, grants []enforce.Grant, now time.Time) error {
	doc := struct {
		V      int          `json:"v"`
		Grants []grantState `json:"grants"`
	}{1, make([]grantState, len(grants))}
	for i, g := range grants {
		doc.Grants[i] = newGrantState(g, now)
	}
	return json.NewEncoder(w).Encode(doc)
}

func portsLabel(g enforce.Grant) string {
	if g.External != nil {
		return strings.Join(append(g.PortNames(), "by command"), " ")
	}
	return strings.Join(g.PortNames(), ",")
}
