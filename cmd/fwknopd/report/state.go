package report

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"fwknopd/policy"
)

// A State has the counters of a worker since its start.
type State struct {
	Records, Events, NotOurs, Malformed, Lost uint64
	Forged, Copies, RateLimited               uint64
	Granted, Refused, Repeats                 uint64 // knock sequences
	Seen                                      uint64 // messages and cipher texts that are remembered, as of now
	Sources                                   []SourceState
	// Unlogged are the decisions for which there was no record of their own: those in
	// summaries, and those for which the log was too slow.
	Unlogged []ReasonCount // sorted by reason
	Claims   Claims        // of a fleet
	Group    Announced
}

// Announced counts the messages that the gateways of a group announce to each other.
type Announced struct {
	Sent    uint64 // by this one
	Granted uint64 // by others, as decided here
	Refused uint64
	Dropped uint64 // on the way out or in, for want of room
}

// A SourceState has the counters of one source since it was opened.
type SourceState struct {
	Name      string `json:"name"` // the mode, and what is read
	Records   uint64 `json:"records"`
	Events    uint64 `json:"events"`
	NotOurs   uint64 `json:"not_ours"`
	Malformed uint64 `json:"malformed"`
	Lost      uint64 `json:"lost"`
	// Lag is how long after its own time the last event was decided, 0 if there was none with
	// a time.
	Lag time.Duration `json:"-"`
}

// maxStateSources is more than a configuration has sources.
const maxStateSources = 256

// Check returns an error if no honest worker reports this; all counters are possible.
func (s *State) Check() error {
	if len(s.Sources) > maxStateSources {
		return errors.New("too many sources")
	}
	if err := checkReasons(s.Unlogged); err != nil {
		return err
	}
	if err := s.Claims.check(); err != nil {
		return err
	}
	return checkTexts(reflect.ValueOf(s.Sources))
}

// Lines returns the messages for SIGUSR1.
func (s *State) Lines() []string {
	return []string{
		fmt.Sprintf("state: %d records, %d events, %d not ours, %d malformed, %d lost", s.Records, s.Events, s.NotOurs, s.Malformed, s.Lost),
		fmt.Sprintf("state: %d events of log lines that show that a program wrote them", s.Forged),
		fmt.Sprintf("state: %d copies of packets that were recorded more than once", s.Copies),
		fmt.Sprintf("state: %d packets refused as %s", s.RateLimited, policy.SPARateLimited),
		fmt.Sprintf("state: knock sequences: %d granted, %d refused, %d repeats", s.Granted, s.Refused, s.Repeats),
	}
}

// A Taken is what a worker says of the configuration that it has fetched.
type Taken struct {
	Generation int    // of the configuration
	Error      string // why the one before stays in force in the worker, "" if it does not
}

// Check returns an error if no honest worker reports this.
func (t *Taken) Check() error {
	if t.Generation < 0 {
		return errors.New("a negative generation")
	}
	return checkTexts(reflect.ValueOf(*t))
}
