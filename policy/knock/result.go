package knock

import (
	"net/netip"
	"time"

	"fwknopd/enforce"
)

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
)

// NoTime is the text of a refusal of what cannot be judged without a time.
const NoTime = "the record has no time that can be read"

// A Result is what a packet meant for one stanza: a sequence complete and granted,
// or an attempt that ended. Numbers that the reason does not need are zero.
type Result struct {
	Stanza  int // index into Options.Stanzas
	Reason  string
	Granted bool // Reason is Granted

	// What is to be opened, iff Granted. Allow is never unspecified; it may differ
	// from the packet's source (encrypted sequences name it). Ports are sorted and
	// without duplicates.
	Allow   netip.Addr
	Ports   []enforce.Port
	Timeout time.Duration // 0: no end

	// User is the client's name as an encrypted sequence gave it, not trusted: any
	// bytes but NUL. Known from the moment the sequence was deciphered.
	User string
	// Cipher are the first 32 bytes of the cipher text: salt and the block that
	// decides. Present iff the sequence was deciphered; the key for a replay memory
	// that outlives this one.
	Cipher []byte

	// Port is the packet's own knock.
	Port enforce.Port
	// Step is the place of the packet in the sequence, from 1, of Steps.
	Step, Steps int
	// Gap was measured and Bound configured (Timeout, TooFast, TooSlow). A Gap
	// below zero: the stamps ran backwards.
	Gap, Bound time.Duration
	// MaxUses is KNOCK_LIMIT (Limit).
	MaxUses int
	// Want and Got name what was asked for and what was there (User, OS).
	Want, Got string
	// FirstSeen and FirstSrc tell of the first time (Replay).
	FirstSeen time.Time
	FirstSrc  netip.Addr
	// Text is one short sentence where no number says it.
	Text string
}
