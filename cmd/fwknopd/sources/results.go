package sources

import (
	"fmt"
	"strings"

	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// MaxUnknown bounds how many different unmatched SYNs are distinguished.
const MaxUnknown = 1 << 14

// NoOptions is the reason printed for SYNs in log lines without TCP options, which
// cannot be compared with a signature.
const NoOptions = "no TCP options on record: log with --log-tcp-options"

// resultIDs numbers results: above 0 are combinations of signatures, by their
// fingerprint.ID, below 0 are unmatched SYNs, one number for each signature of theirs.
type resultIDs struct {
	matcher    *fingerprint.Matcher
	unknown    []Unknown // result r is at ^r
	unknownIDs map[string]int32
	scratch    []byte
}

// An Unknown is a kind of SYN that matches no signature.
type Unknown struct {
	Text    string                 // in the syntax of the signature file, "" without TCP options
	Nearest *fingerprint.Signature // nil if there is none
	Differs []string               // the fields in which it differs from Nearest
}

// String returns which signature is nearest, or why there is none.
func (u Unknown) String() string {
	switch {
	case u.Text == "":
		return "(" + NoOptions + ")"
	case u.Nearest == nil:
		return "(unknown)"
	}
	return fmt.Sprintf("(unknown; nearest is %s %s, which differs in %s)", u.Nearest.Text, u.Nearest.Label, strings.Join(u.Differs, ", "))
}

func newResultIDs(m *fingerprint.Matcher) *resultIDs {
	return &resultIDs{matcher: m, unknownIDs: make(map[string]int32)}
}

// internUnmatched returns the number of the SYN ev, which no signature fits.
func (n *resultIDs) internUnmatched(ev *parse.Event) int32 {
	n.scratch = fingerprint.AppendSignature(n.scratch[:0], ev) // nothing without options
	if id, ok := n.unknownIDs[string(n.scratch)]; ok {
		return id
	}
	if len(n.unknown) >= MaxUnknown {
		return omittedResult
	}
	u := Unknown{Text: string(n.scratch)}
	u.Nearest, u.Differs = n.matcher.Nearest(ev)
	return n.internUnknown(u)
}

func (n *resultIDs) internUnknown(u Unknown) int32 {
	if id, ok := n.unknownIDs[u.Text]; ok {
		return id
	}
	id := ^int32(len(n.unknown))
	n.unknownIDs[u.Text] = id
	n.unknown = append(n.unknown, u)
	return id
}

// renumber returns the number in n of result r of from.
func (n *resultIDs) renumber(from *resultIDs, r int32) int32 {
	if r >= 0 {
		return int32(n.matcher.IDOf(from.matcher.Result(fingerprint.ID(r))))
	}
	return n.internBounded(from.unknown[^r])
}

// internBounded returns the number of u, [omittedResult] if it is new and there is no room.
func (n *resultIDs) internBounded(u Unknown) int32 {
	if _, known := n.unknownIDs[u.Text]; !known && len(n.unknown) >= MaxUnknown {
		return omittedResult
	}
	return n.internUnknown(u)
}
