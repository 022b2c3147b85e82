package conf

import (
	"fmt"
	"strings"
)

// Origin is where an effective value came from.
type Origin uint8

const (
	FromDefault Origin = iota
	FromFile
	FromArgv
)

// Values are the effective values of one file's keywords as text, with their origins:
// those of fwknop.conf with its overrides, or those of one stanza. Every keyword of the
// table has one, by default if not in a file. They serve the dump and the places in
// messages; what a value means is in the fields of [Server] and [Stanza].
type Values struct {
	File    File
	Dialect Dialect
	given   []Value              // the first value of each keyword that has one
	more    map[*Keyword][]Value // repetitions; nil without
}

// A Place is where a keyword was given.
type Place struct {
	Pos  Pos    // zero unless a file gave it
	Name string // the spelling used
	Set  bool   // a file or the command line gave it
}

// Changed lists the keywords whose new value the running daemon cannot take over.
func (v *Values) Changed(old *Values) []string {
	var names []string
	for _, k := range keywords[v.File] {
		if k.Restart && v.lookup(k.Name).Text != old.lookup(k.Name).Text {
			names = append(names, k.Name)
		}
	}
	return names
}

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
		b.WriteString(noValue)
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

// All returns every keyword's value in the order of the table; a keyword that may
// stand more than once has one entry for each time.
func (v *Values) All() []*Value {
	var all []*Value
	for i := range keywords[v.File] {
		all = append(all, v.each(&keywords[v.File][i])...)
	}
	return all
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
func (v *Values) IsSet(name string) bool { return v.find(Find(v.File, name)).IsSet() }

// add stores val and reports whether it counts, and as a repetition. A second value of a
// keyword is kept if the keyword may repeat, else it is a problem; only the same value
// under another spelling passes.
func (v *Values) add(val Value, r *report) (counts, again bool) {
	old := v.find(val.Keyword)
	switch {
	case old == nil:
		v.given = append(v.given, val)
		return true, false
	case val.Keyword.Repeat && (v.File == ServerFile || v.Dialect == Perl19 || val.Keyword.In&Ours != 0):
		if v.more == nil {
			v.more = make(map[*Keyword][]Value)
		}
		v.more[val.Keyword] = append(v.more[val.Keyword], val)
		return true, true
	case old.Name != val.Name && old.Text == val.Text:
		return false, false
	}
	what := fmt.Sprintf("given twice, first in line %d", old.Pos.Line)
	if old.Name != val.Name {
		what = fmt.Sprintf("is %s of line %d, with another value", old.Name, old.Pos.Line)
	}
	if old.Pos.File != val.Pos.File {
		what = fmt.Sprintf("given twice, first in %s", old.Pos)
	}
	r.errorf(val.Pos, val.Name, "%s", what)
	return false, false
}

// set replaces the value of a keyword with its repetitions.
func (v *Values) set(val Value, more []Value) {
	if old := v.find(val.Keyword); old != nil {
		*old = val
	} else {
		v.given = append(v.given, val)
	}
	delete(v.more, val.Keyword)
	if more != nil {
		if v.more == nil {
			v.more = make(map[*Keyword][]Value)
		}
		v.more[val.Keyword] = more
	}
}

// flag is the value of a Flag that no field holds.
func (v *Values) flag(name string) bool { return v.meaning(name) == true }

// meaning parses the value of a keyword that no field holds. A value that was refused counts
// as the default.
func (v *Values) meaning(name string) any {
	val := v.lookup(name)
	value, err := val.Keyword.parse(v.Dialect, val.Text)
	if err != nil {
		value, _ = val.Keyword.parse(v.Dialect, val.Keyword.DefaultFor(v.Dialect))
	}
	return value
}

// each returns the value of k, by default if none was given, and its repetitions.
func (v *Values) each(k *Keyword) []*Value {
	all := []*Value{v.lookup(k.Name)}
	for i := range v.more[k] {
		all = append(all, &v.more[k][i])
	}
	return all
}

// lookup returns the value of a keyword, by name or alias. It panics for a name that
// is not in the table.
func (v *Values) lookup(name string) *Value {
	k := Find(v.File, name)
	if k == nil {
		panic("conf: no keyword " + name)
	}
	if val := v.find(k); val != nil {
		return val
	}
	return &Value{Keyword: k, Name: k.Name, Text: k.DefaultFor(v.Dialect)}
}

// find returns the value that was given to k, nil if none was.
func (v *Values) find(k *Keyword) *Value {
	for i := range v.given {
		if v.given[i].Keyword == k {
			return &v.given[i]
		}
	}
	return nil
}

// A Value is the text of a keyword, after expansion, and where it was given. What the
// text means is in the field that the row of the keyword names.
type Value struct {
	Keyword *Keyword
	Text    string // "" is unset; holds the secret for secret keywords: print with String
	Pos     Pos    // zero unless Origin is FromFile
	Origin  Origin
	Name    string // the spelling used, a name or alias of Keyword
}

// String is the text, or [redacted].
func (v *Value) String() string {
	if v.Keyword.Secret() && v.Text != "" {
		return "[redacted]"
	}
	return v.Text
}

// Where is the origin of the value: `file:line`, argv or default.
func (v *Value) Where() string {
	switch v.Origin {
	case FromFile:
		return v.Pos.String()
	case FromArgv:
		return "argv"
	default:
		return "default"
	}
}

// IsSet reports that a file or the command line gave the value.
func (v *Value) IsSet() bool { return v != nil && v.Origin != FromDefault }
