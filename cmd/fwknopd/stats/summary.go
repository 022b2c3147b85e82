// Package stats aggregates records, decisions and logged events in bounded memory, for
// `stats`, `--os --summary` and the HTML page of --report. It is pure: the time is that of the
// records.
package stats

import "time"

// A Summary is what is known of some inputs, sorted and cut to what is shown. It holds no
// reference to the aggregates. Its JSON form is that of `stats --format json`; members may be
// added, never removed or changed. Lists are never nil, so that JSON has [].
type Summary struct {
	V          int          `json:"v"` // 1
	Inputs     []string     `json:"inputs"`
	From       time.Time    `json:"from,omitzero"` // of the first record by time; zero if none has a time
	To         time.Time    `json:"to,omitzero"`
	Accounting Accounting   `json:"accounting"`
	Timeline   Timeline     `json:"timeline"`
	Systems    []System     `json:"systems"`   // most sources first
	Sources    List[Source] `json:"sources"`   // most SYNs and decisions first
	Ports      List[Port]   `json:"ports"`     // destination ports of SYNs and other records, most records first
	Decisions  []Decision   `json:"decisions"` // by reason, most first; empty for --os
	Knocks     List[Knock]  `json:"knocks"`
	Grants     List[Grant]  `json:"grants"`
	// NotOpened is how many grants were decided that a limit or the firewall refused.
	NotOpened uint64        `json:"not_opened"`
	Unknown   List[Unknown] `json:"unknown"` // SYNs that no signature fits, most first
	// Notes are what a reader must know to read the numbers: what was cut off or not counted.
	Notes []string `json:"notes"`
}

// A List is the head of a longer list.
type List[T any] struct {
	Total int `json:"total"` // how many there are; AtLeast if there may be more
	// AtLeast is set if memory was too small to tell them all apart.
	AtLeast bool `json:"at_least,omitempty"`
	Shown   []T  `json:"shown"`
}

// An Accounting says what became of the records: Records = Events + NotOurs + Malformed.
type Accounting struct {
	Records   uint64 `json:"records"`
	Events    uint64 `json:"events"`
	NotOurs   uint64 `json:"not_ours"`
	Malformed uint64 `json:"malformed"`
	Bytes     uint64 `json:"bytes"`
	SYNs      uint64 `json:"syns"`
	Untimed   uint64 `json:"untimed"` // events without a time, which Timeline does not have
	Lost      uint64 `json:"lost"`    // what the recorder says it lost
}

// A Timeline counts by time. Buckets without anything are left out.
type Timeline struct {
	Width   time.Duration `json:"width_ns"` // of a bucket; whole seconds
	Buckets []Bucket      `json:"buckets"`  // in order of time
}

// A Bucket counts what happened from Start on for the width of the timeline.
type Bucket struct {
	Start   time.Time `json:"start"`
	Events  uint64    `json:"events"`
	SYNs    uint64    `json:"syns"`
	Granted uint64    `json:"granted"`
	Refused uint64    `json:"refused"`
	Other   uint64    `json:"other"` // commands, and grants of SHADOW stanzas
}

// A System is an operating system, or what it is when no signature fits.
type System struct {
	Genre    string    `json:"genre"` // "Linux"; "" if unknown
	Sources  uint64    `json:"sources"`
	SYNs     uint64    `json:"syns"`
	Versions []Version `json:"versions"` // most sources first
}

// A Version is a label of a signature: genre, version, subtype and details.
type Version struct {
	Label   string `json:"label"`
	Sources uint64 `json:"sources"`
	SYNs    uint64 `json:"syns"`
}

// A Source is a client's address.
type Source struct {
	Addr    string    `json:"src_ip"`
	Tunnel  string    `json:"tunnel,omitempty"` // with --inner: what its packets were inside, as "vxlan 42"
	System  string    `json:"system,omitempty"` // label of the first signature that fits, groups last
	SYNs    uint64    `json:"syns"`
	Granted uint64    `json:"granted"`
	Refused uint64    `json:"refused"`
	Ports   []string  `json:"ports"` // "tcp/22", most records first; "…" at the end if there are more
	First   time.Time `json:"first_seen,omitzero"`
	Last    time.Time `json:"last_seen,omitzero"`
}

// Name returns the address, and the tunnels that it is in.
func (s *Source) Name() string {
	if s.Tunnel == "" {
		return s.Addr
	}
	return s.Addr + " in " + s.Tunnel
}

// A Port is a destination port.
type Port struct {
	Port    string `json:"port"` // "tcp/22"
	Records uint64 `json:"records"`
	Sources uint64 `json:"sources"` // addresses; an estimate above a bound, which Notes names
}

// A Decision counts one reason.
type Decision struct {
	Verdict  string    `json:"verdict"`
	Reason   string    `json:"reason"`
	N        uint64    `json:"n"`
	Meaning  string    `json:"meaning"` // of the reason, as `help REASON` has it
	Remedy   string    `json:"remedy"`
	Examples []Example `json:"examples"` // the first few
}

// An Example is one decision, as replay prints it.
type Example struct {
	Time time.Time `json:"timestamp,omitzero"`
	Src  string    `json:"src_ip"`
	Text string    `json:"text"`
}

// A Knock is a port-knock sequence that a source attempted.
type Knock struct {
	Src    string    `json:"src_ip"`
	Stanza string    `json:"stanza"` // its title
	Reason string    `json:"reason"` // "knock.granted", or why not
	N      uint64    `json:"n"`
	Last   time.Time `json:"last_seen,omitzero"`
}

// A Grant is one opening of ports.
type Grant struct {
	Src    string        `json:"src_ip"`
	Ports  []string      `json:"ports"`
	Stanza string        `json:"stanza"`
	User   string        `json:"user,omitempty"`
	Start  time.Time     `json:"start,omitzero"`
	End    time.Time     `json:"end,omitzero"` // zero: open at the end of the input, or without end
	For    time.Duration `json:"for_ns"`       // as granted; 0: without end
	// Ended is how: "expired", "revoked" …; "open" if it was open at the end of the input,
	// "not opened" if the firewall or a limit refused it.
	Ended string `json:"ended"`
}

// An Unknown is a kind of SYN that no signature fits.
type Unknown struct {
	Signature string `json:"signature"` // ready for a signature file: a line of p0f v2 without a label
	SYNs      uint64 `json:"syns"`
	Sources   uint64 `json:"sources"`
	Nearest   string `json:"nearest,omitempty"` // the nearest known signature with its label
	Differs   string `json:"differs,omitempty"` // in what
}
