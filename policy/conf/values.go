package conf

import (
	"fmt"
	"net/netip"
	"time"
)

// Values are the effective values of one file's keywords: those of fwknop.conf
// with its overrides, or those of one stanza. Every keyword of the table has one,
// a default if need be. Reading a keyword that is not in the table panics: the
// names are constants of the program.
type Values struct {
	File       File
	Generation Generation
	Evident    bool              // a file shows the generation; otherwise it was assumed
	set        map[string]*Value // by Keyword.Name
	more       map[string][]*Value
}

func newValues(f File, g Generation) *Values {
	return &Values{File: f, Generation: g, set: make(map[string]*Value), more: make(map[string][]*Value)}
}

// Lookup returns the value of a keyword, by name or alias.
func (v *Values) Lookup(name string) *Value {
	k := Find(v.File, name)
	if k == nil {
		panic("conf: no keyword " + name)
	}
	if val := v.set[k.Name]; val != nil {
		return val
	}
	val := &Value{Keyword: k, Name: k.Name, Text: k.DefaultFor(v.Generation)}
	val.parsed, _ = k.parse(v.Generation, val.Text)
	return val
}

// All returns every keyword's value in the order of the table; a keyword that may
// stand more than once has one entry for each time.
func (v *Values) All() []*Value {
	var all []*Value
	for i := range tableOf(v.File) {
		name := tableOf(v.File)[i].Name
		all = append(all, v.Lookup(name))
		all = append(all, v.more[name]...)
	}
	return all
}

func tableOf(f File) []Keyword {
	if f == AccessFile {
		return AccessKeywords
	}
	return ServerKeywords
}

// IsSet reports whether a file or the command line gave the keyword.
func (v *Values) IsSet(name string) bool { return v.Lookup(name).IsSet() }

// String is the text of a keyword after expansion, "" if unset. It is [redacted]
// for secrets.
func (v *Values) String(name string) string { return v.Lookup(name).String() }

// Path is the text of a FilePath or DirPath, as written.
func (v *Values) Path(name string) string { return v.Lookup(name).Text }

// Bool is a Flag.
func (v *Values) Bool(name string) bool { return v.Lookup(name).flag }

// Int is an Int, a Span in its unit or an Epoch.
func (v *Values) Int(name string) int { return int(v.Lookup(name).n) }

// Duration is a Span.
func (v *Values) Duration(name string) time.Duration {
	val := v.Lookup(name)
	return time.Duration(val.n) * val.Keyword.Unit
}

// List is a list of any kind as words; a repeated Text gives one word a line.
func (v *Values) List(name string) []string {
	var words []string
	for _, val := range v.each(name) {
		switch {
		case val.list != nil:
			words = append(words, val.list...)
		case val.Text != "":
			words = append(words, val.Text)
		}
	}
	return words
}

// Nets is a NetList.
func (v *Values) Nets(name string) Nets { return v.Lookup(name).nets }

// Ports is a PortList, repetitions added up.
func (v *Values) Ports(name string) []Port {
	var ports []Port
	for _, val := range v.each(name) {
		ports = append(ports, val.ports...)
	}
	return ports
}

// Addr is an Address, invalid if unset.
func (v *Values) Addr(name string) netip.Addr { return v.Lookup(name).addr.Addr() }

// Chain is a Chain.
func (v *Values) Chain(name string) ChainSpec { return v.Lookup(name).chain }

// NFTChain is an NFTable, zero if unset.
func (v *Values) NFTChain(name string) NFTChain { return v.Lookup(name).nft }

// each returns the value and its repetitions.
func (v *Values) each(name string) []*Value {
	val := v.Lookup(name)
	return append([]*Value{val}, v.more[val.Keyword.Name]...)
}

// take stores val. A second one of the same keyword is kept if the keyword may
// repeat, else it is a problem; only the same value under another spelling passes.
func (v *Values) take(val *Value, r *report) {
	old := v.set[val.Keyword.Name]
	switch {
	case old == nil:
		v.set[val.Keyword.Name] = val
	case val.Keyword.Repeat && (v.File == ServerFile || v.Generation == V1 || val.Keyword.Origin&Ours != 0):
		v.more[val.Keyword.Name] = append(v.more[val.Keyword.Name], val)
	case old.Name != val.Name && old.Text == val.Text:
	default:
		what := fmt.Sprintf("given twice, first in line %d", old.Pos.Line)
		if old.Name != val.Name {
			what = fmt.Sprintf("is %s of line %d, with another value", old.Name, old.Pos.Line)
		}
		if old.Pos.File != val.Pos.File {
			what = fmt.Sprintf("given twice, first in %s", old.Pos)
		}
		r.errorf(val.Pos, val.Name, "%s", what)
	}
}
