// Package enforce defines an opening in the firewall ([Grant]), the interfaces that open
// and close one ([Enforcer], and [Backend] for firewalls), the limits of what may be
// requested ([Limits]) and a [Recorder] for tests and replay. It is pure; the backends
// are in the directories below.
package enforce

import (
	"context"
	"net/netip"
	"time"

	"fwknopd/parse"
)

// Proto and Port are package parse's.
type (
	Proto = parse.Proto
	Port  = parse.Port
)

// The protocols that a [Port] of a grant may have.
const (
	ICMP   = parse.ICMP
	TCP    = parse.TCP
	UDP    = parse.UDP
	ICMPv6 = parse.ICMPv6
)

// A Grant is one opening: Src may reach Ports until Expires. It is a plain value;
// two grants with the same [Grant.Key] are the same opening, and the later Expires
// holds.
type Grant struct {
	// Src is the client that is let in, never unspecified; with Bits the first address
	// of its prefix.
	Src netip.Addr
	// Also, if valid, is let in as well (GRANT_ADDRESS both). Backends get a grant for
	// each, see [Grant.Split].
	Also netip.Prefix `json:",omitzero"`
	// Dst restricts the opening to one of our addresses (ENABLE_DESTINATION_RULE);
	// zero: any.
	Dst netip.Addr
	// Ports are the ports the client connects to, sorted, without duplicates.
	// Empty iff All.
	Ports []Port
	// All opens every port and protocol (FORWARD_ALL).
	All bool
	// Output requests the mirror rule on the output hook as well.
	Output bool
	// Bits is the length of the prefix that is let in (GRANT_PREFIX); 0 is Src alone. It
	// stands here since Go fills up the flags anyway.
	Bits uint8 `json:",omitzero"`
	// NAT, if not nil, translates what is opened instead of accepting it locally.
	NAT *NAT
	// External, if not nil, runs commands in place of firewall rules.
	External *External
	// Expires is the end, absolute; zero means no end (FW_ACCESS_TIMEOUT 0).
	Expires time.Time
	// Foreign is a rule of another program that was found in our chains, in the
	// firewall's syntax; "" for our own grants. It is part of the identity: a grant of
	// ours for the same client and port does not change such a rule. One with an end in
	// its comment (2.6 and 1.9 wrote _exp_<epoch>) is removed then, any other is only
	// listed; no backend adds one.
	Foreign string
	// Stanza is the line of the SOURCE keyword that allowed it, User the client's
	// name for the event log; neither is part of the identity.
	Stanza int
	User   string
}

// NAT is the translation of a grant.
type NAT struct {
	// Target is the DNAT destination. Its port is 0 iff the grant is All (every
	// port keeps its number). Zero value: no DNAT (DISABLE_DNAT), forward only.
	Target netip.AddrPort
	// Local: the target is this host, so the packet arrives on the input hook and
	// the accept rule belongs there (message types 5 and 6).
	Local bool
	// SNAT rewrites the source as well; Masquerade lets the kernel choose the
	// address. At most one of them is set.
	SNAT       netip.Addr
	Masquerade bool
}

// External is a pair of commands as argument vectors. A value that came from a packet is
// always part of one argument, or of one variable of the environment; the text passed to
// a shell contains none.
type External struct {
	Open, Close []string      // Close may be empty: nothing to run at the end
	Env         []string      `json:",omitempty"` // NAME=value, for both, beside the usual environment
	Timeout     time.Duration // for each run; the process group is killed after it
}

// An Enforcer opens and closes grants.
type Enforcer interface {
	// Apply opens g. The same key again moves Expires and adds no rule.
	Apply(ctx context.Context, g Grant) error
	// Revoke closes g; that it is not open is success.
	Revoke(ctx context.Context, g Grant) error
	// List returns the open grants, from the kernel where it has them, not from memory.
	List(ctx context.Context) ([]Grant, error)
}
