package ingest

import "strings"

// An Outcome is what became of one input of a [Reader]. All but Name and Kind are
// known when it has been read.
type Outcome struct {
	Name    string
	Kind    Kind    // "" if it could not be read at all
	Records uint64  // that were read
	Found   bool    // a log has records of Netfilter, a capture has frames
	Foreign []error // link types of a pcapng's interfaces that cannot be decoded
	Err     error   // why it was not read, or not to its end; nil: all of it
}

// Unread is the error of a [Reader] some of whose inputs were not read, or not to
// their end: one for each, with its name.
type Unread []error

func (u Unread) Error() string {
	var lines []string
	for _, err := range u {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As find each.
func (u Unread) Unwrap() []error { return u }
