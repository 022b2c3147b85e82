package conf

import (
	"strings"
	"time"
)

// Generation is the lineage of a file; it decides the syntax and the defaults
// where the two old daemons differ.
type Generation uint8

const (
	UnknownGeneration Generation = iota
	V1                           // fwknop 1.9: fwknop.conf, `KEYWORD value;`, `KEYWORD: value;`
	V2                           // fwknop 2.6: fwknopd.conf, semicolons and colons optional
)

// String implements fmt.Stringer.
func (g Generation) String() string {
	switch g {
	case V1:
		return "1.9"
	case V2:
		return "2.6"
	default:
		return "unknown"
	}
}

// Kind is the type of a keyword's value.
type Kind uint8

const (
	Text        Kind = iota
	Flag             // Y or N
	Int              // decimal, Min..Max
	Span             // Int counted in Unit
	Enum             // one of Values
	EnumList         // comma list of Values
	List             // comma list of words
	FilePath         // path of a file
	DirPath          // absolute path of a directory
	NetList          // [Nets]
	NetsOrFlag       // [Nets], or Y (nobody) or N (everybody)
	PortList         // comma list of proto/port
	PortNumbers      // comma list of port numbers
	Address          // one IP address
	Target           // IP address and port, blank between them
	Chain            // [ChainSpec]
	NFTable          // [NFTChain]
	Regex            // RE2, a leading * means .*
	Passphrase       // key as text
	Base64           // key in base64
	Command          // command line, variables are not expanded
	MailList         // comma list of mail addresses
	Date             // MM/DD/YYYY
	Epoch            // seconds since 1970
	Account          // user of this host
	Group            // user of this host, for the primary group, or group
	KeyIDs           // comma list of OpenPGP key ids or ANY
	KeyPrints        // comma list of OpenPGP fingerprints
	KeyNames         // comma list of OpenPGP key ids or parts of user ids
	Expect           // [Expectation]
)

// Origin tells who brought a keyword in. It is a set.
type Origin uint8

const (
	InManual Origin = 1 << iota // the fwknopd 1.9 manual
	In1                         // the 1.9 program
	In2                         // the 2.6 program
	Ours
)

// has1 and has2 report that a generation knows the keyword.
func (o Origin) has1() bool { return o&(InManual|In1) != 0 }
func (o Origin) has2() bool { return o&In2 != 0 }

// String names the origins, shortest words a manual page can use.
func (o Origin) String() string {
	var s []string
	for _, n := range []struct {
		bit  Origin
		name string
	}{{InManual, "manual"}, {In1, "1.9"}, {In2, "2.6"}, {Ours, "fwknopd"}} {
		if o&n.bit != 0 {
			s = append(s, n.name)
		}
	}
	return strings.Join(s, ", ")
}

// Verdict says what the keyword does here.
type Verdict uint8

const (
	Must     Verdict = iota // honoured
	Should                  // honoured
	Obsolete                // accepted, checked, without effect
)

// File tells which file a keyword belongs to.
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

// NoValue is how a file says "empty" where an empty value is no syntax.
const NoValue = "__NONE__"

// Alias is another spelling of a keyword.
type Alias struct {
	Name   string
	Origin Origin
}

// A Keyword is one row of the table that the parser, the dump, the hints, the
// help and the manual pages share.
type Keyword struct {
	Name    string
	Aliases []Alias
	File    File
	Kind    Kind
	// Default is the text that holds when no file says anything, "" for unset;
	// Default2 replaces it in 2.6 files, NoValue there means unset.
	Default, Default2 string
	// Min and Max bound Int and Span; Max2 replaces Max in 2.6 files if not 0.
	Min, Max, Max2 int64
	Unit           time.Duration // of a Span
	// Values are the words of Enum and EnumList; Values2 replaces them in 2.6 files.
	Values, Values2 []string
	Origin          Origin
	Verdict         Verdict
	Repeat          bool   // may stand more than once: values add up
	Text            string // one sentence
	// Differs says how we honour it otherwise than the old daemons, "" if alike.
	Differs string
}

// Secret reports that the value must never be printed.
func (k *Keyword) Secret() bool {
	return k.Kind == Passphrase || k.Kind == Base64
}

// DefaultFor is the default text in a file of generation g, "" for unset.
func (k *Keyword) DefaultFor(g Generation) string {
	if g == V2 && k.Default2 != "" {
		if k.Default2 == NoValue {
			return ""
		}
		return k.Default2
	}
	return k.Default
}

// maxFor and valuesFor give the limits in a file of generation g.
func (k *Keyword) maxFor(g Generation) int64 {
	if g == V2 && k.Max2 != 0 {
		return k.Max2
	}
	return k.Max
}

func (k *Keyword) valuesFor(g Generation) []string {
	if g == V2 && k.Values2 != nil {
		return k.Values2
	}
	return k.Values
}

// spelling is one name of a keyword with the generations that know the name.
type spelling struct {
	keyword *Keyword
	origin  Origin
}

// names maps every spelling, per file.
var names = [2]map[string]spelling{
	ServerFile: index(ServerKeywords),
	AccessFile: index(AccessKeywords),
}

func index(table []Keyword) map[string]spelling {
	m := make(map[string]spelling, len(table)+len(table)/4)
	for i := range table {
		k := &table[i]
		m[k.Name] = spelling{k, k.Origin}
		for _, a := range k.Aliases {
			m[a.Name] = spelling{k, a.Origin}
		}
	}
	return m
}

// Find returns the keyword of that exact spelling, aliases included, or nil.
func Find(f File, name string) *Keyword { return names[f][name].keyword }
