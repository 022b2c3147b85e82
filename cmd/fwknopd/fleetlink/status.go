package fleetlink

import "time"

// A Status is what a member knows of its fleet. Members of its JSON may be added, never
// removed or changed.
type Status struct {
	V      int       `json:"v"` // 1
	Name   string    `json:"name"`
	Fleet  string    `json:"fleet"`           // "embedded", or the URLs of the outside cluster
	Group  string    `json:"group,omitempty"` // of FLEET_GROUP
	Asked  time.Time `json:"asked"`           // by the clock of this member
	Quorum bool      `json:"quorum"`
	Why    string    `json:"why,omitempty"`   // why claims are unavailable; empty: they are not
	Votes  int       `json:"votes,omitempty"` // members of an embedded fleet of which a majority is needed, as far as this one knows

	Bound     float64    `json:"bound_seconds"` // the oldest message that a member may accept; 0: not known, or any
	Beginning time.Time  `json:"beginning,omitzero"`
	Claims    Tally      `json:"claims"`
	Events    EventTally `json:"events"`
	Bucket    Bucket     `json:"bucket"`
	Members   []Member   `json:"members"`
}

// A Tally counts the answers to claims since the process started.
type Tally struct {
	First       uint64 `json:"first"`
	Taken       uint64 `json:"taken"`
	Unavailable uint64 `json:"unavailable"`
}

// A Bucket is how much the fleet stores. Zero where it is not known.
type Bucket struct {
	Claims   uint64 `json:"claims"`
	Bytes    uint64 `json:"bytes"`
	Replicas int    `json:"replicas"` // on how many members it is to be stored
	Current  int    `json:"current"`  // how many of them are there, and have all of it
}

// A Member is one of the members of an embedded fleet, or a gateway that was heard of
// through an outside cluster.
type Member struct {
	Name       string    `json:"name"`
	Address    string    `json:"address,omitempty"`
	Self       bool      `json:"self,omitempty"`
	Twin       bool      `json:"twin,omitempty"` // Self: another gateway has the same name
	Witness    bool      `json:"witness,omitempty"`
	Connected  bool      `json:"connected"`
	Leader     bool      `json:"leader,omitempty"`      // of the claims
	OtherPeers bool      `json:"other_peers,omitempty"` // it has other members in its FLEET_PEERS than the one that is asked
	Heard      time.Time `json:"heard,omitzero"`        // last, by the clock of the member that is asked; zero: never
	Clock      float64   `json:"clock_seconds"`         // how far its clock is ahead of the asked one's, at least
}

// An EventTally counts the events of this gateway since the process started.
type EventTally struct {
	Published uint64 `json:"published"`
	Dropped   uint64 `json:"dropped"` // for want of room
	Queue     uint64 `json:"queue"`   // wait to be published
}
