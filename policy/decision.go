// Package policy answers each event with one [Decision]: knock sequences, Single
// Packet Authorization and the requirements of access.conf. It is pure but for its
// own state: no I/O and no clock; the time is an argument.
//
// Entry point: [NewEngine], then [Engine.Decide].
package policy

import (
	"net/netip"
	"time"

	"fwknopd/enforce"
)

// Verdict is the outcome for one event. The zero value is Ignore.
type Verdict uint8

const (
	Ignore Verdict = iota // no SPA message, and no knock of a sequence
	Deny                  // a request that is refused
	Allow                 // open Grant, or run Command
)

// Reason is a stable code, never packet data; see the constants in reason.go.
type Reason string

// The values of Decision.Mode.
const (
	ModeSPA   = "spa"
	ModeKnock = "knock"
)

// A Decision is the answer to one event.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	Detail  Detail
	Mode    string     // ModeSPA, ModeKnock or ""
	Src     netip.Addr // the packet's source
	Stanza  int        // line of the SOURCE keyword, 0 = none
	Number  int        // of the stanza, from 1, see [conf.Stanza]
	User    string     // as sent by the client; "" if none
	Shadow  bool       // of a shadow stanza: an Allow must not be executed
	// Degraded: the fleet could not be asked whether another gateway has honoured the message
	// (FLEET_ON_PARTITION local).
	Degraded  bool
	Announced string        // the gateway that has announced the message; "": it came here
	Grant     enforce.Grant // valid iff Allow and Command is nil
	Command   *Command      // valid iff Allow; only with ENABLE_CMD_EXEC
	// Others are further decisions on the same packet, in file order: of other stanzas
	// that grant on the same knock, and of shadow stanzas.
	Others []Decision
}

// Unrecorded returns d with a refusal in place of each grant, after an error of
// [Engine.Sync]: a message that is not on disk could be replayed.
func (d Decision) Unrecorded(err error) Decision {
	others := d.Others
	d.Others = nil
	for _, o := range others {
		d.Others = append(d.Others, o.Unrecorded(err))
	}
	if d.Verdict != Allow {
		return d
	}
	reason := SPAStore
	if d.Mode == ModeKnock {
		reason = KnockStore
	}
	return Decision{Verdict: Deny, Reason: reason, Detail: Detail{Text: err.Error()},
		Mode: d.Mode, Src: d.Src, Stanza: d.Stanza, Number: d.Number, User: d.User, Shadow: d.Shadow, Announced: d.Announced, Others: d.Others}
}

// A Refusal is why one stanza does not grant what a message asks for.
type Refusal struct {
	Stanza int    // line of the SOURCE keyword
	Reason Reason // "": the packet is not for its keys
	Detail Detail
}

// Detail are the numbers behind a reason, for the log and for explain; nil
// pointers and zero values are left out. Never a secret.
type Detail struct {
	AgeS      *int64     `json:"age_s,omitempty"`
	MaxAgeS   *int64     `json:"max_age_s,omitempty"`
	FirstSeen *time.Time `json:"first_seen,omitempty"`
	FirstSrc  string     `json:"first_src,omitempty"`
	Step      *int       `json:"step,omitempty"` // of a knock sequence, from 1
	Steps     *int       `json:"steps,omitempty"`
	GapS      *float64   `json:"gap_s,omitempty"`
	LimitS    *float64   `json:"limit_s,omitempty"`
	Limit     *int       `json:"limit,omitempty"`
	Port      string     `json:"port,omitempty"`
	Want      string     `json:"want,omitempty"`
	Got       string     `json:"got,omitempty"`
	Signer    string     `json:"signer,omitempty"`
	Text      string     `json:"text,omitempty"` // explains a refusal that has no numbers
}

// A Command is the command that an authorised client wants to run. Text is exactly as
// sent; it must be given to a shell only if Shell is set.
type Command struct {
	Text                string
	From                string // the address in front of it, as the client wrote it; "" if there was none
	User, Group         string
	Sudo                bool
	SudoUser, SudoGroup string
	Shell               bool
	Timeout             time.Duration
	Src                 netip.Addr
}
