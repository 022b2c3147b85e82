package main

import (
	"encoding/json"
	"fmt"

	"fwknopd/parse"
)

// shownSequence is what --dry-run prints of a port-knock sequence: no key.
type shownSequence struct {
	Mode   string   `json:"mode"`
	Server string   `json:"server"`
	Delay  float64  `json:"time_delay"` // seconds
	Knocks []string `json:"knocks"`
	// Of an encrypted sequence.
	Offset  uint16 `json:"port_offset,omitempty"`
	Address string `json:"address,omitempty"`
	Port    string `json:"port,omitempty"`
	User    string `json:"user,omitempty"`
}

// showSequence prints a sequence that is not sent.
func (c *client) showSequence(q *sequence) error {
	s := shownSequence{Mode: q.mode, Server: c.Client.Destination, Delay: q.delay.Seconds(), Knocks: names(q.knocks), Offset: q.offset}
	if r := q.request; r != nil {
		s.Address, s.Port, s.User = r.Addr.String(), r.Port.String(), r.User
	}
	if c.JSON() {
		return json.NewEncoder(c.stdout).Encode(s)
	}
	c.printSequence(&s)
	return nil
}

func names(knocks []parse.Port) []string {
	all := make([]string, len(knocks))
	for i, p := range knocks {
		all[i] = p.String()
	}
	return all
}

func (c *client) printSequence(s *shownSequence) {
	kind := "Encrypted"
	if s.Mode == modeShared {
		kind = "Shared"
	}
	fmt.Fprintf(c.stdout, "%s sequence of %d knocks, %v s between two, not sent to %s:\n", kind, len(s.Knocks), s.Delay, s.Server)
	for i, k := range s.Knocks {
		fmt.Fprintf(c.stdout, "%4d  %s\n", i+1, k)
	}
	if s.Mode == modeShared {
		return
	}
	c.row("address", s.Address)
	c.row("port", s.Port)
	c.row("user", s.User)
	c.row("port offset", s.Offset)
}
