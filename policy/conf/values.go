package conf

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Values are the effective values of one file's keywords as text, with their origins:
// those of fwknop.conf with its overrides, or those of one stanza. Every keyword of the
// table has one, by default if not in a file. They serve the dump and the places in
// messages; what a value means is in the fields of [Server] and [Stanza].
type Values struct {
	File    File
	Dialect Dialect
	set     map[string]*Value   // by Keyword.Name
	more    map[string][]*Value // repetitions
}

// A Place is where a keyword was given.
type Place struct {
	Pos  Pos    // zero unless a file gave it
	Name string // the spelling used
	Set  bool   // a file or the command line gave it
}

func newValues(f File, d Dialect) *Values {
	return &Values{File: f, Dialect: d, set: make(map[string]*Value), more: make(map[string][]*Value)}
}

// All returns every keyword's value in the order of the table; a keyword that may
// stand more than once has one entry for each time.
func (v *Values) All() []*Value {
	var all []*Value
	for i := range tableOf(v.File) {
		all = append(all, v.each(tableOf(v.File)[i].Name)...)
	}
	return all
}

// Changed lists the keywords whose new value the running daemon cannot take over.
func (v *Values) Changed(old *Values) []string {
	var names []string
	for i := range tableOf(v.File) {
		if k := &tableOf(v.File)[i]; k.Restart && v.lookup(k.Name).Text != old.lookup(k.Name).Text {
			names = append(names, k.Name)
		}
	}
	return names
}

// Place returns where a keyword, by name or alias, was given; the zero Place for a
// name that is not in the table.
func (v *Values) Place(name string) Place {
	if Find(v.File, name) == nil {
		return Place{}
	}
	val := v.lookup(name)
	return Place{val.Pos, val.Name, val.IsSet()}
}

// IsSet reports whether a file or the command line gave the keyword.
func (v *Values) IsSet(name string) bool { return v.Place(name).Set }

// Format writes what files and the command line gave as a file of the same dialect:
// reading it back gives the same values. With redact, keys are replaced and the result
// only shows the shape of the file.
func (v *Values) Format(redact bool) string {
	var b strings.Builder
	for _, val := range v.All() {
		if val.IsSet() {
			v.formatLine(&b, val, redact)
		}
	}
	return b.String()
}

// formatLine writes one value. The spelling is kept: it may be what shows the dialect.
func (v *Values) formatLine(b *strings.Builder, val *Value, redact bool) {
	b.WriteString(val.Name)
	if v.File == AccessFile && v.Dialect == Perl19 {
		b.WriteByte(':')
	}
	b.WriteByte(' ')
	switch {
	case val.Text == "":
		b.WriteString(NoValue)
	case redact:
		b.WriteString(val.String())
	default:
		b.WriteString(val.Text)
	}
	if v.File == ServerFile || v.Dialect == Perl19 {
		b.WriteByte(';')
	}
	b.WriteByte('\n')
}

// bind fills the fields that the rows of the table name. A value that is empty, with its
// repetitions, leaves its field alone: of two keywords for one field the later one in the
// table wins if it is set.
func (v *Values) bind(field func(*Keyword) any) {
	table := tableOf(v.File)
	for i := range table {
		k := &table[i]
		val := v.lookup(k.Name)
		if val.Text == "" && v.more[k.Name] == nil || k.SetOnly && !val.IsSet() {
			continue
		}
		if p := field(k); p != nil {
			v.assign(val, p)
		}
	}
}

// assign stores the meaning of val in the field at p, whose type fits the kind.
func (v *Values) assign(val *Value, p any) {
	k := val.Keyword
	switch p := p.(type) {
	case *bool:
		*p = val.flag
	case *int:
		*p = int(val.n)
	case *uint16:
		*p = uint16(val.n)
	case *time.Duration:
		*p = time.Duration(val.n) * k.Unit
	case *string:
		if *p = val.Text; k.Kind == Enum {
			*p = first(v.list(k.Name))
		}
	case *[]string:
		*p = v.list(k.Name)
	case *[]uint16:
		for _, word := range v.list(k.Name) {
			if n, err := strconv.ParseUint(word, 10, 16); err == nil {
				*p = append(*p, uint16(n))
			}
		}
	case *[]Port:
		*p = v.ports(k.Name)
	case *Nets:
		*p = val.nets
	case *netip.Addr:
		*p = val.addr.Addr()
	case *netip.AddrPort:
		*p = val.addr
	case *ChainSpec:
		*p = val.chain
	case *NFTChain:
		*p = val.nft
	case **regexp.Regexp:
		*p = val.re
	case *Secret:
		if !val.key.IsZero() {
			*p = val.key
		}
	default:
		panic(fmt.Sprintf("conf: %s has a field of type %T", k.Name, p))
	}
}

// list is a list of any kind as words; a repeated Text gives one word a line.
func (v *Values) list(name string) []string {
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

// ports is a PortList, repetitions added up.
func (v *Values) ports(name string) []Port {
	var ports []Port
	for _, val := range v.each(name) {
		ports = append(ports, val.ports...)
	}
	return ports
}

// flag is the value of a Flag that no field holds.
func (v *Values) flag(name string) bool { return v.lookup(name).flag }

// each returns the value and its repetitions.
func (v *Values) each(name string) []*Value {
	val := v.lookup(name)
	return append([]*Value{val}, v.more[val.Keyword.Name]...)
}

// lookup returns the value of a keyword, by name or alias. It panics for a name that
// is not in the table.
func (v *Values) lookup(name string) *Value {
	k := Find(v.File, name)
	if k == nil {
		panic("conf: no keyword " + name)
	}
	if val := v.set[k.Name]; val != nil {
		return val
	}
	val := &Value{Keyword: k, Name: k.Name, Text: k.DefaultFor(v.Dialect)}
	val.parsed, _ = k.parse(v.Dialect, val.Text)
	return val
}

func tableOf(f File) []Keyword {
	if f == AccessFile {
		return AccessKeywords
	}
	return ServerKeywords
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// add stores val. A second one of the same keyword is kept if the keyword may
// repeat, else it is a problem; only the same value under another spelling passes.
func (v *Values) add(val *Value, r *report) {
	old := v.set[val.Keyword.Name]
	switch {
	case old == nil:
		v.set[val.Keyword.Name] = val
	case val.Keyword.Repeat && (v.File == ServerFile || v.Dialect == Perl19 || val.Keyword.In&Ours != 0):
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
