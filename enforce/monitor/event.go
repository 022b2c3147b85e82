package monitor

import (
	"time"

	"fwknopd/enforce"
)

// A Kind is what an [Event] reports.
type Kind string

// The kinds of events, and which fields they fill beside Time.
const (
	Granted   Kind = "granted"   // Grant
	Extended  Kind = "extended"  // Grant; it was open, its end is now later
	Kept      Kind = "kept"      // Grant; it was open and ends later than this one would
	Adopted   Kind = "adopted"   // Grant; it was open before we started
	Expired   Kind = "expired"   // Grant; its time was over
	Revoked   Kind = "revoked"   // Grant; on request
	Repaired  Kind = "repaired"  // Grant; another program had removed it
	Postponed Kind = "postponed" // Grant; a connection through it exists
	Refused   Kind = "refused"   // Grant or Command, Err; the policy does not allow it. Count: earlier ones that were not reported
	Failed    Kind = "failed"    // Grant or none, Err; the firewall or a program returned an error

	// Cut: Grant, which has ended, and Connections through it; Err if some of them go on, or
	// may: what they send is not rejected.
	Cut Kind = "cut"

	Blocked   Kind = "blocked"   // Grant, Blocked; it is open, but something has begun to drop it
	Contested Kind = "contested" // Err; another program removes grants again and again
	Bypassed  Kind = "bypassed"  // Err, which names a rule that has begun to let packets past a guard
	ClockStep Kind = "clock"     // Step; the clock was set, ends were shifted

	CommandRan Kind = "command" // Command, Result; Err if it could not be started

	// WrongPassword: Command.User, Src and Text, which is the file; Err if the password was
	// not checked. Count: earlier ones that were not reported.
	WrongPassword Kind = "password"

	WorkerStarted Kind = "worker.started" // Count: restarts since one was last ready
	WorkerDied    Kind = "worker.died"    // Err
	WorkerGaveUp  Kind = "worker.gave_up" // Count, Err
	Violation     Kind = "violation"      // Err; the worker violated the protocol

	Lost Kind = "lost" // Count events were dropped because the handler was slow
)

// An Event reports what happened in the privileged half.
type Event struct {
	Time        time.Time
	Kind        Kind
	Grant       enforce.Grant // the ports with the same result together
	ByHand      bool          // the administrator asked for Grant, not the worker: Granted, Extended, Kept, Refused, Failed
	Connections enforce.Connections
	Blocked     []string // base chains that drop the packets of Grant although its rules are in place
	Command     Command
	Result      Result
	Count       int
	Step        time.Duration
	Err         error
}

// A Command is what a client requests to run; the rest is configuration.
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
