package conf

import (
	"fmt"
	"regexp"
	"strings"
)

// An expander replaces $NAME in values by the value of NAME, each value once.
type expander struct {
	v     *Values
	r     *report
	state map[*Keyword]visit
	text  map[*Keyword]string
	path  []*Keyword // being expanded, for the chain of a cycle
}

type visit uint8

const (
	unseen visit = iota
	busy
	done
	broken // an error was reported
)

// variable is a $ with the name behind it; the name may be empty, or wrongly in braces.
var (
	variable = regexp.MustCompile(`\$(?:\w+|\{\w+\}|)`)
	named    = regexp.MustCompile(`\$\w`)
)

// expand replaces the variables of all values and reports those that it cannot.
func (v *Values) expand(r *report) {
	e := &expander{v: v, r: r, state: make(map[*Keyword]visit), text: make(map[*Keyword]string)}
	for i := range keywords[v.File] {
		k := &keywords[v.File][i]
		for n, val := range v.each(k) {
			switch {
			case val.Origin == FromDefault && !strings.Contains(val.Text, "$"):
			case n > 0: // a repetition: no variable refers to it
				val.Text, _ = e.replace(val)
			default:
				val.Text, _ = e.resolve(k)
				if val.Origin == FromDefault {
					v.given = append(v.given, *val)
				}
			}
		}
	}
}

// resolve gives the expanded text of k; "" if that failed.
func (e *expander) resolve(k *Keyword) (string, bool) {
	switch e.state[k] {
	case done:
		return e.text[k], true
	case broken:
		return "", false
	case busy:
		e.cycle(k)
		return "", false
	}
	e.state[k] = busy
	e.path = append(e.path, k)
	text, ok := e.replace(e.v.lookup(k.Name))
	e.path = e.path[:len(e.path)-1]
	if !ok || e.state[k] == broken {
		e.state[k] = broken
		return "", false
	}
	e.state[k], e.text[k] = done, text
	return text, true
}

// replace fills in the variables of one text.
func (e *expander) replace(val *Value) (string, bool) {
	if kinds[val.Keyword.Kind].raw {
		return val.Text, true
	}
	fail := func(hint, format string, args ...any) (string, bool) {
		e.r.add(Problem{Pos: val.Pos, Keyword: val.Name, Text: fmt.Sprintf(format, args...), Hint: hint})
		return "", false
	}
	var b strings.Builder
	rest := val.Text
	for at := variable.FindStringIndex(rest); at != nil; at = variable.FindStringIndex(rest) {
		name := rest[at[0]+1 : at[1]]
		b.WriteString(rest[:at[0]])
		rest = rest[at[1]:]
		k := Find(e.v.File, name)
		switch {
		case name == "":
			b.WriteByte('$')
			continue
		case name[0] == '{':
			name = strings.Trim(name, "{}")
			return fail("$"+name, "variables are written without braces: ${%s} is none", clip(name))
		case k == nil:
			hint := nearest(e.v.File, name)
			if hint != "" {
				hint = "$" + hint
			}
			return fail(hint, "the variable $%s is not defined", clip(name))
		case kinds[k.Kind].raw:
			return fail("", "the variable $%s is not for use in other values", k.Name)
		}
		text, ok := e.resolve(k)
		if !ok {
			return "", false
		}
		b.WriteString(text)
		if b.Len() > maxExpansion {
			return fail("", "longer than %d bytes after expansion", maxExpansion)
		}
	}
	b.WriteString(rest)
	if text := b.String(); text != val.Text && named.MatchString(text) {
		return fail("", "a $ before a variable would make another variable")
	}
	return b.String(), true
}

// cycle reports the chain of names from k back to k, at the member that a file
// has first.
func (e *expander) cycle(k *Keyword) {
	start := 0
	for i, p := range e.path {
		if p == k {
			start = i
		}
	}
	ring := e.path[start:]
	first := 0
	for i, p := range ring {
		e.state[p] = broken
		a, b := e.v.lookup(p.Name), e.v.lookup(ring[first].Name)
		if a.IsSet() && (!b.IsSet() || a.Pos.File == b.Pos.File && a.Pos.Line < b.Pos.Line) {
			first = i
		}
	}
	var names []string
	for i := range ring {
		names = append(names, ring[(first+i)%len(ring)].Name)
	}
	names = append(names, names[0])
	val := e.v.lookup(ring[first].Name)
	e.r.errorf(val.Pos, val.Name, "refers to itself: %s", strings.Join(names, " -> "))
}
