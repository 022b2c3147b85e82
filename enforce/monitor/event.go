package monitor

import (
	"time"

	"fwknopd/enforce"
)

// A Kind says what an [Event] reports.
type Kind string

// The kinds of events, and which fields they fill beside Time.
const (
	Granted   Kind = "granted"   // Grant
	Extended  Kind = "extended"  // Grant; it was open and ends later now
	Kept      Kind = "kept"      // Grant; it was open and ends later than this one would
	Adopted   Kind = "adopted"   // Grant; it was open before we started
	Expired   Kind = "expired"   // Grant; its time was over
	Revoked   Kind = "revoked"   // Grant; somebody asked for it
	Repaired  Kind = "repaired"  // Grant; another program had removed it
	Postponed Kind = "postponed" // Grant; a connection through it lives
	Refused   Kind = "refused"   // Grant or Command, Err; the offer does not allow it. Count: others before, unreported
	Failed    Kind = "failed"    // Grant or none, Err; the firewall or a program did not obey

	Blocked   Kind = "blocked"   // Grant, Blocked; it is open, but something has begun to drop it
	Contested Kind = "contested" // Err; another program removes grants again and again
	ClockStep Kind = "clock"     // Step; somebody set the clock, ends were moved along

	CommandRan Kind = "command" // Command, Result; Err if it could not be started

	WorkerStarted Kind = "worker.started" // Count: restarts since it was last seen alive
	WorkerDied    Kind = "worker.died"    // Err
	WorkerGaveUp  Kind = "worker.gave_up" // Count, Err
	Violation     Kind = "violation"      // Err; the worker broke the protocol

	Lost Kind = "lost" // Count events that nobody could take in time
)

// An Event is something that happened in the privileged half.
type Event struct {
	Time    time.Time
	Kind    Kind
	Grant   enforce.Grant // ports that share a fate are together
	Blocked []string      // base chains that drop what Grant is for, although it is open
	Command Command
	Result  Result
	Count   int
	Step    time.Duration
	Err     error
}

// A Command is what a client asks to run; all else about it is configuration.
type Command struct {
	Stanza int    // line of the SOURCE keyword
	From   string // the address in front of the text, as the client wrote it; "" if there was none
	Text   string // as the client sent it
	User   string // the client's name, for the log
	Src    string // where it came from, for the log
}

// A Result is how a command ended.
type Result struct {
	Status   int    // exit status; -1 if a signal ended it
	Output   string // beginning of what it wrote, both streams
	TimedOut bool
	Took     time.Duration
}
