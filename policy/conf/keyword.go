package conf

import (
	"strings"
	"time"
)

// Dialect is which of the two old daemons a file was written for. It decides the syntax
// and the defaults where they differ. The zero value: nothing shows it.
type Dialect uint8

const (
	Perl19 Dialect = 1 + iota // fwknop 1.9: fwknop.conf, `KEYWORD value;`, `KEYWORD: value;`
	C26                       // fwknop 2.6: fwknopd.conf, semicolons and colons optional
)

// String is the version number of the daemon.
func (d Dialect) String() string {
	switch d {
	case Perl19:
		return "1.9"
	case C26:
		return "2.6"
	default:
		return "unknown"
	}
}

// Versions is the set of fwknop versions that have a keyword.
type Versions uint8

const (
	InManual Versions = 1 << iota // the fwknopd 1.9 manual
	InPerl19                      // the 1.9 program
	InC26                         // the 2.6 program
	Ours                          // this program alone
)

// String names the versions in the words of the manual pages.
func (v Versions) String() string {
	var s []string
	for _, n := range []struct {
		bit  Versions
		name string
	}{{InManual, "manual"}, {InPerl19, "1.9"}, {InC26, "2.6"}, {Ours, "fwknopd"}} {
		if v&n.bit != 0 {
			s = append(s, n.name)
		}
	}
	return strings.Join(s, ", ")
}

// Verdict is whether the keyword has an effect here.
type Verdict uint8

const (
	Must     Verdict = iota // honoured
	Should                  // honoured
	Obsolete                // accepted, checked, without effect
)

// File is the file that a keyword belongs to.
type File uint8

const (
	ServerFile File = iota // fwknop.conf, fwknopd.conf
	AccessFile             // access.conf
)

// String is the name of the file's manual page.
func (f File) String() string {
	if f == AccessFile {
		return "access.conf"
	}
	return "fwknop.conf"
}

// noValue means empty in a file, whose syntax has no empty values.
const noValue = "__NONE__"

// Alias is another spelling of a keyword.
type Alias struct {
	Name string
	In   Versions
}

// A Keyword is one row of the table that the parser, the dump, the hints, the
// help and the manual pages share.
type Keyword struct {
	Name    string
	Aliases []Alias
	File    File
	Kind    Kind
	// Default is the text of the value when no file sets the keyword, "" for unset;
	// Default2 replaces it in 2.6 files, noValue there means unset.
	Default, Default2 string
	// Min and Max bound Int and Span; Max2 replaces Max in 2.6 files if not 0.
	Min, Max, Max2 int64
	Unit           time.Duration // of a Span
	// Values are the words of Enum and EnumList; Values2 replaces them in 2.6 files.
	Values, Values2 []string
	In              Versions
	Verdict         Verdict
	Repeat          bool   // may stand more than once: values add up
	SetOnly         bool   // the default is for the dump alone: the field stays zero unless a file sets the keyword
	Restart         bool   // a running daemon does not take a new value over
	Text            string // one sentence
	// Differs is the difference from the old daemons, "" if there is none.
	Differs string
	// relative: the value names files as a FilePath does. Most directories may not be
	// relative: state in them would be lost with a change of the working directory.
	relative bool
	// into points to the field of Server that holds the value, intoStanza to that of
	// Stanza; nil where the builder reads the value itself.
	into       func(*Server) any
	intoStanza func(*Stanza) any
	// idle and idleInStanza return why the keyword has no effect beside the other ones, "" if it
	// has; nil: it always has.
	idle         func(*Server) string
	idleInStanza func(*Stanza) string
}

// Secret reports that the value must never be printed.
func (k *Keyword) Secret() bool {
	return k.Kind == Passphrase || k.Kind == Base64 || k.Kind == Base32
}

// DefaultFor is the default text in a file of dialect d, "" for unset.
func (k *Keyword) DefaultFor(d Dialect) string {
	if d == C26 && k.Default2 != "" {
		if k.Default2 == noValue {
			return ""
		}
		return k.Default2
	}
	return k.Default
}

// A spelling is one name of a keyword with the versions that have the name.
type spelling struct {
	keyword *Keyword
	in      Versions
}

// keywords are the tables of both files.
var keywords = [2][]Keyword{ServerFile: ServerKeywords, AccessFile: AccessKeywords}

// names maps every spelling, per file.
var names = [2]map[string]spelling{
	ServerFile: index(ServerKeywords),
	AccessFile: index(AccessKeywords),
}

func index(table []Keyword) map[string]spelling {
	m := make(map[string]spelling, len(table)+len(table)/4)
	for i := range table {
		k := &table[i]
		m[k.Name] = spelling{k, k.In}
		for _, a := range k.Aliases {
			m[a.Name] = spelling{k, a.In}
		}
	}
	return m
}

// Find returns the keyword of that exact spelling, aliases included, or nil.
func Find(f File, name string) *Keyword { return names[f][name].keyword }

// Nearest is the keyword of either file most similar to name, "" if none is similar.
func Nearest(name string) string {
	if n := nearest(ServerFile, name); n != "" {
		return n
	}
	return nearest(AccessFile, name)
}

// nearest is the spelling most similar to name, "" if none is similar.
func nearest(f File, name string) string {
	words := make([]string, 0, len(names[f]))
	for _, k := range keywords[f] {
		words = append(words, k.Name)
		for _, a := range k.Aliases {
			words = append(words, a.Name)
		}
	}
	return NearestOf(name, words)
}

// NearestOf is the word with the fewest edits from name, where a common beginning
// counts for a word; the first one of several. At most a third of the letters may be
// wrong, and two more behind a common beginning: names are also cut short.
func NearestOf(name string, words []string) string {
	if name == "" || len(name) > 64 {
		return ""
	}
	const prefix = 6
	best, bestScore := "", 1<<30
	for _, w := range words {
		if strings.EqualFold(w, name) {
			return w
		}
		same := commonPrefix(name, w)
		most := max(1, len(name)/3)
		if same >= min(prefix, len(name)) {
			most += 2
		}
		if d := len(w) - len(name); d > most || -d > most {
			continue
		}
		d := distance(strings.ToUpper(name), strings.ToUpper(w))
		if score := 2*d - min(same, prefix); d <= most && score < bestScore {
			best, bestScore = w, score
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = one, row, two
	}
	return rows[1][len(b)]
}
