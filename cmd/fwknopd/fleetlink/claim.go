// Package fleetlink is what the processes of one gateway of a fleet say to each other: the
// worker asks the fleet process (fwknopd-fleet) for claims, the monitor configures it and
// asks for its status.
package fleetlink

import (
	"context"
	"time"
)

// A Claim asks that a message is this gateway's alone.
type Claim struct {
	Digest [32]byte  // SHA-256 of the plaintext, as in policy/replay
	Sent   time.Time // the message's own time; zero: it has none, and cannot be claimed
	Until  time.Time // when this gateway stops to accept it for its age; zero: never
	Stanza string    // the name of the stanza that accepts it, at most MaxStanza bytes
}

// MaxStanza bounds Claim.Stanza, in bytes. Longer names are cut before they are claimed.
const MaxStanza = 128

// MaxWhy bounds Answer.Why and Answer.By, in bytes.
const MaxWhy = 512

// A Verdict is what became of a claim.
type Verdict uint8

// The zero Verdict is a refusal.
const (
	Unavailable Verdict = iota // it may or may not have been recorded; Answer.Why
	First                      // it is this gateway's
	Taken                      // it was claimed before; Answer.By and Answer.At
	Unclaimable                // the fleet answers, but cannot tell whether it was claimed before; Answer.Why
)

// An Answer says what became of a claim.
type Answer struct {
	Verdict Verdict
	By      string    // Taken: the gateway that claimed it; empty if the record says none that can be read
	At      time.Time // Taken: when, by the clock of the fleet
	Why     string    // Unavailable and Unclaimable: the reason, in one line
}

// Claims decides claims. An implementation answers within ClaimTime and lets several
// goroutines call it.
type Claims interface {
	Claim(ctx context.Context, c Claim) Answer
}

// ClaimTime is the longest time that a claim waits for its answer.
const ClaimTime = time.Second
