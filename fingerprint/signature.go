package fingerprint

import "fwknopd/parse"

// A Signature is one line of a signature file.
type Signature struct {
	// Text is the pattern as written in the file, five or six fields with colons
	// between them.
	Text string
	// Label is the rest of the line as written, trailing blanks included:
	// genre:version:subtype:description.
	Label string
	// File and Line say where it stands; lines count from 1.
	File string
	Line int
	// Generic: a guess at a group of systems, its genre is marked with @.
	// Userland: not an operating system, its genre is marked with * or -.
	Generic, Userland bool
	// Index is its place in the report order of its [Set], from 0.
	Index int

	layout  layout
	pattern pattern
}

// String returns the line of a file that loads as this signature.
func (s *Signature) String() string { return s.Text + ": " + s.Label }

// elements returns the number of options spelled, E included.
func (s *Signature) elements() int { return int(s.layout.n) + int(s.pattern.ends) }

// maxElements is the most options a signature can spell; each takes a byte.
const maxElements = parse.MaxOptions

// field is a place in the text of a signature.
type field uint8

const (
	fieldWindow field = iota
	fieldTTL
	fieldDF
	fieldSize
	fieldOptions
	fieldQuirks // may be missing
	fields
)

var fieldNames = [fields]string{"window", "ttl", "df", "size", "options", "quirks"}
