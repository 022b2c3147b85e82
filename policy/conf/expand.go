package conf

import (
	"fmt"
	"strings"
)

// An expander replaces $NAME in values by the value of NAME, each value once.
type expander struct {
	v     *Values
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

// expand replaces the variables of all values and reports those that it cannot.
func (v *Values) expand(r *report) {
	e := &expander{v: v, state: make(map[*Keyword]visit), text: make(map[*Keyword]string)}
	table := keywords[v.File]
	for i := range table {
		for _, val := range v.each(&table[i]) {
			if val.Origin == FromDefault && !strings.Contains(val.Text, "$") {
				continue
			}
			e.value(val, r)
		}
	}
}

// value expands one value in place.
func (e *expander) value(val *Value, r *report) {
	k := val.Keyword
	if v := e.v.find(k); v != nil && v != val { // a repetition: no variable refers to it
		val.Text, _ = e.replace(val, r)
		return
	}
	text, ok := e.resolve(k, r)
	if !ok {
		text = ""
	}
	val.Text = text
	if val.Origin == FromDefault {
		e.v.given = append(e.v.given, *val)
	}
}

// resolve gives the expanded text of k.
func (e *expander) resolve(k *Keyword, r *report) (string, bool) {
	switch e.state[k] {
	case done:
		return e.text[k], true
	case broken:
		return "", false
	case busy:
		e.cycle(k, r)
		return "", false
	}
	e.state[k] = busy
	e.path = append(e.path, k)
	text, ok := e.replace(e.v.lookup(k.Name), r)
	e.path = e.path[:len(e.path)-1]
	if !ok || e.state[k] == broken {
		e.state[k] = broken
		return "", false
	}
	e.state[k], e.text[k] = done, text
	return text, true
}

// replace fills in the variables of one text.
func (e *expander) replace(val *Value, r *report) (string, bool) {
	if kinds[val.Keyword.Kind].raw {
		return val.Text, true
	}
	var b strings.Builder
	rest := val.Text
	for {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			break
		}
		if brace := braced(after); brace != "" {
			r.add(Problem{Pos: val.Pos, Keyword: val.Name, Text: fmt.Sprintf("variables are written without braces: ${%s} is none", clip(brace)), Hint: "$" + brace})
			return "", false
		}
		name := after[:wordLen(after)]
		rest = after[len(name):]
		if name == "" {
			b.WriteByte('$')
			continue
		}
		k := Find(e.v.File, name)
		if k == nil {
			r.add(Problem{Pos: val.Pos, Keyword: val.Name, Text: fmt.Sprintf("the variable $%s is not defined", clip(name)), Hint: dollar(nearest(e.v.File, name))})
			return "", false
		}
		if kinds[k.Kind].raw {
			r.errorf(val.Pos, val.Name, "the variable $%s is not for use in other values", k.Name)
			return "", false
		}
		text, ok := e.resolve(k, r)
		if !ok {
			return "", false
		}
		b.WriteString(text)
		if b.Len() > MaxExpansion {
			r.errorf(val.Pos, val.Name, "longer than %d bytes after expansion", MaxExpansion)
			return "", false
		}
	}
	if text := b.String(); text != val.Text && hasVariable(text) {
		r.errorf(val.Pos, val.Name, "a $ before a variable would make another variable")
		return "", false
	}
	return b.String(), true
}

// braced is the name in "{NAME}" at the beginning of text, "" if there is none.
func braced(text string) string {
	if !strings.HasPrefix(text, "{") {
		return ""
	}
	n := wordLen(text[1:])
	if n == 0 || !strings.HasPrefix(text[1+n:], "}") {
		return ""
	}
	return text[1 : 1+n]
}

// hasVariable reports a $ with a name behind it.
func hasVariable(text string) bool {
	for {
		_, after, found := strings.Cut(text, "$")
		if !found {
			return false
		}
		if wordLen(after) > 0 {
			return true
		}
		text = after
	}
}

// cycle reports the chain of names from k back to k, at the member that a file
// has first.
func (e *expander) cycle(k *Keyword, r *report) {
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
	r.errorf(val.Pos, val.Name, "refers to itself: %s", strings.Join(names, " -> "))
}

func wordLen(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return i
		}
	}
	return len(s)
}

func dollar(name string) string {
	if name == "" {
		return ""
	}
	return "$" + name
}
