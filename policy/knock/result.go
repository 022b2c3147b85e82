package knock

import (
	"net/netip"
	"time"

	"fwknopd/parse"
)

// A Result is the effect of a packet on one stanza: a grant, or the end of an attempt.
// Numbers that the reason does not need are zero.
type Result struct {
	Stanza  int // index into Options.Stanzas
	Reason  string
	Granted bool // Reason is Granted

	// The grant, valid iff Granted. Allow is never unspecified; it may differ from the
	// packet's source (encrypted sequences name it). Ports are sorted and without
	// duplicates.
	Allow   netip.Addr
	Ports   []parse.Port
	Timeout time.Duration // 0: no end

	// User is the user name in an encrypted sequence that was decrypted, not trusted:
	// any bytes but NUL.
	User string
	// Cipher are the first 32 bytes of the cipher text, salt and first block, if it was
	// decrypted: the key for a persistent replay cache.
	Cipher []byte

	// Port is the knock of the packet.
	Port parse.Port
	// Step is the number of the packet in the sequence, from 1, of Steps.
	Step, Steps int
	// Gap is the measured time and Bound the configured one (Timeout, TooFast,
	// TooSlow). Gap is below zero if the time stamps went backwards.
	Gap, Bound time.Duration
	// MaxUses is KNOCK_LIMIT (Limit) or the number of ACCESS_USES (Uses).
	MaxUses int
	// Want is the requirement of the stanza and Got the value found (User, OS).
	Want, Got string
	// FirstSeen and FirstSrc are of the first use (Replay).
	FirstSeen time.Time
	FirstSrc  netip.Addr
	// Text explains a refusal that has no numbers.
	Text string
}

// The reasons of a Result. They are the codes of package policy, which imports
// this one.
const (
	Granted       = "knock.granted"
	WrongPort     = "knock.wrong_port"
	Timeout       = "knock.timeout"
	TooFast       = "knock.too_fast"
	TooSlow       = "knock.too_slow"
	Limit         = "knock.limit"
	DecryptFailed = "knock.decrypt_failed"
	Checksum      = "knock.checksum"
	User          = "knock.user"
	OS            = "knock.os"
	Source        = "knock.source"
	Port          = "knock.port"
	Replay        = "knock.replay"
	ForgedLine    = "knock.forged_line"
	Window        = "knock.window"
	Uses          = "knock.uses"
)

// NoTime is the text of the refusal where a rule needs a time and the record has none.
const NoTime = "the record has no time that can be read"
