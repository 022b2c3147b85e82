package config

import (
	"fmt"
	"io"
	"math/big"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// A result is the outcome of check. In its JSON form, members may be added, never
// removed or changed.
type result struct {
	V            int            `json:"v"`
	Valid        bool           `json:"valid"`
	Files        []string       `json:"files"`
	Errors       int            `json:"errors"`
	Warnings     int            `json:"warnings"`
	Problems     conf.Problems  `json:"problems"`
	Stanzas      []stanza       `json:"stanzas"`
	Expectations int            `json:"expectations"`
	Keywords     []keywordState `json:"keywords,omitempty"`
	ReadAs       readAs         `json:"read_as"`
	Firewall     []string       `json:"firewall,omitempty"`
	Kernel       string         `json:"kernel,omitempty"`  // what the kernel keeps from the daemon
	Metrics      string         `json:"metrics,omitempty"` // what METRICS_LISTEN opens and for whom
	Guard        string         `json:"guard,omitempty"`   // what GUARD_FORWARD closes
	Fleet        string         `json:"fleet,omitempty"`   // with whom messages are honoured once

	refused bool // by itself, not for an expectation
}

// readAs names the dialects whose syntax and defaults apply.
type readAs struct {
	Server string `json:"server"`
	Access string `json:"access"`
}

type stanza struct {
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Number int      `json:"number"`
	Name   string   `json:"name,omitempty"`
	Allows []string `json:"allows"`
	Off    bool     `json:"off,omitempty"` // ENABLED N: it takes no part
	// Clients are the addresses that are let in; nil: the one in the message.
	Clients *clients `json:"clients,omitempty"`
}

// clients are the addresses that a stanza lets in.
type clients struct {
	Address string  `json:"address"` // GRANT_ADDRESS
	IPv4    *prefix `json:"ipv4,omitempty"`
	IPv6    *prefix `json:"ipv6,omitempty"`
}

// A prefix is the GRANT_PREFIX of one address family.
type prefix struct {
	Length    int      `json:"length"`
	Addresses *big.Int `json:"addresses"`
}

func clientsOf(s *conf.Stanza) *clients {
	if !s.GrantsPacket() && s.GrantPrefix.IsZero() {
		return nil
	}
	return &clients{s.GrantAddress, prefixOf(s.GrantPrefix.V4, 32), prefixOf(s.GrantPrefix.V6, 128)}
}

// prefixOf returns a prefix of a family whose addresses have that many bits; nil for length 0.
func prefixOf(length uint8, bits int) *prefix {
	if length == 0 {
		return nil
	}
	return &prefix{int(length), new(big.Int).Lsh(big.NewInt(1), uint(bits-int(length)))}
}

// addresses returns how many there are, as a number or a power of two.
func (p *prefix) addresses() string {
	if host := p.Addresses.BitLen() - 1; host >= 32 {
		return fmt.Sprintf("2^%d", host)
	}
	return p.Addresses.String()
}

func newResult(l *Loaded, problems conf.Problems, expectations int) *result {
	r := &result{V: 1, Valid: !problems.Failed(), Files: l.Files, Expectations: expectations,
		Problems: append(conf.Problems{}, problems...), Stanzas: []stanza{}, ReadAs: readAs{l.Server.Dialect.String(), l.Access.Dialect.String()}}
	if r.Valid {
		r.Metrics = describeMetrics(l.Server)
		r.Guard = Guard(l.Server)
		r.Fleet = describeFleet(l.Server)
	}
	r.Errors, r.Warnings = countProblems(problems)
	for s := range l.Access.All() {
		r.Stanzas = append(r.Stanzas, stanza{s.Pos.File, s.Pos.Line, s.Number, s.Name, describeStanza(s), !s.Enabled, clientsOf(s)})
	}
	return r
}

// print writes the text form: problems to stderr, the rest to stdout.
func (r *result) print(stdout, stderr io.Writer) {
	Print(stderr, r.Problems)
	for _, k := range r.Keywords {
		fmt.Fprintln(stdout, k)
	}
	for _, s := range r.Stanzas {
		title := conf.StanzaTitle(s.Name, s.Number, conf.Pos{File: s.File, Line: s.Line})
		if s.Off {
			title += " is off (ENABLED N)"
		}
		fmt.Fprintln(stdout, title)
		for _, w := range s.Allows {
			fmt.Fprintf(stdout, "    %s\n", conf.Printable(w))
		}
	}
	if r.Kernel != "" {
		fmt.Fprintf(stdout, "kernel: %s\n", r.Kernel)
	}
	for _, line := range r.Firewall {
		fmt.Fprintf(stdout, "firewall: %s\n", conf.Printable(line))
	}
	if r.Guard != "" {
		fmt.Fprintf(stdout, "guard: %s\n", r.Guard)
	}
	if r.Fleet != "" {
		fmt.Fprintf(stdout, "fleet: %s\n", conf.Printable(r.Fleet))
	}
	if r.Metrics != "" {
		fmt.Fprintf(stdout, "metrics: %s\n", conf.Printable(r.Metrics))
	}
	fmt.Fprintf(stdout, "read as: fwknop.conf of %s, access.conf of %s\n", r.ReadAs.Server, r.ReadAs.Access)
	verdict := "valid"
	if !r.Valid {
		verdict = "refused, " + conf.Count(r.Errors, "error")
	}
	if cli.Color(stdout) {
		color := cli.Green
		if !r.Valid {
			color = cli.Red
		}
		verdict = color.Paint(verdict)
	}
	fmt.Fprintf(stdout, "%s, %s, %s: %s, %s\n", conf.Count(len(r.Files), "file"), conf.Count(len(r.Stanzas), "stanza"),
		conf.Count(r.Expectations, "expectation"), verdict, conf.Count(r.Warnings, "warning"))
}

// Print writes problems, one per line.
func Print(w io.Writer, problems conf.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

// countProblems counts errors and warnings.
func countProblems(problems conf.Problems) (errors, warnings int) {
	for _, p := range problems {
		switch p.Severity {
		case conf.Error:
			errors++
		case conf.Warning:
			warnings++
		}
	}
	return errors, warnings
}
