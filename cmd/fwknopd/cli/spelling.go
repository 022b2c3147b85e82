package cli

import (
	"strings"

	"fwknopd/policy/conf"
)

// canonical rewrites every option to --name or a one-letter form that pflag accepts.
// Values and operands are not changed.
func (c Command) canonical(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(out, args[i:]...), nil
		}
		if len(a) < 2 || a[0] != '-' {
			out = append(out, a)
			continue
		}
		d, rest, err := c.resolve(a)
		if err != nil {
			return nil, err
		}
		follows := c.valueFollows(a)
		if d != nil {
			a, follows = "--"+d.name+rest, d.takesValue() && rest == ""
		}
		out = append(out, a)
		if follows && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

func (d *option) takesValue() bool {
	switch d.kind {
	case text, number, size, list, repeated, ignoredText, absentText:
		return true
	}
	return false
}

// valueFollows reports whether the value of a one-letter cluster is the next token: its
// last letter takes one (-vc FILE) and none before it does (-cFILE).
func (c Command) valueFollows(cluster string) bool {
	for i, letter := range cluster[1:] {
		d := c.byShort(string(letter))
		if d == nil {
			return false
		}
		if d.takesValue() {
			return i+2 == len(cluster)
		}
	}
	return false
}

func (c Command) byShort(s string) *option {
	for d := range c.rows() {
		if d.short == s {
			return d
		}
	}
	return nil
}

// resolve returns the option that a token names in its long form, nil for a one-letter
// form. rest is "=value" or empty.
func (c Command) resolve(token string) (d *option, rest string, err error) {
	name, double := strings.CutPrefix(token, "--")
	if !double {
		name = token[1:]
	}
	if i := strings.IndexByte(name, '='); i >= 0 {
		name, rest = name[:i], name[i:]
	}
	if !double {
		// With one dash only a whole name counts: -vf is a cluster, -os is --os.
		if len(name) > 1 {
			d = c.findExact(name)
		}
		return d, rest, nil
	}
	if d = c.findExact(name); d != nil {
		return d, rest, nil
	}
	d, err = c.findPrefix(name)
	return d, rest, err
}

// findExact returns the option with that name or alias, first as written, then ignoring
// case; nil if there is none.
func (c Command) findExact(name string) *option {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for d := range c.rows() {
			if same(d.name, name) {
				return d
			}
			for _, a := range d.aliases {
				if same(a, name) {
					return d
				}
			}
		}
	}
	return nil
}

// findPrefix returns the only option with a name or alias that begins with name.
func (c Command) findPrefix(name string) (*option, error) {
	var hits []*option
	for d := range c.rows() {
		for _, n := range append([]string{d.name}, d.aliases...) {
			if len(n) > len(name) && strings.EqualFold(n[:len(name)], name) {
				hits = append(hits, d)
				break
			}
		}
	}
	switch len(hits) {
	case 0:
		if meant := c.nearest(name); meant != "" {
			return nil, usagef("unknown option --%s (did you mean --%s?)", name, meant)
		}
		return nil, usagef("unknown option --%s (see %s --help)", name, c)
	case 1:
		return hits[0], nil
	}
	names := make([]string, len(hits))
	for i, d := range hits {
		names[i] = "--" + d.name
	}
	return nil, usagef("option --%s could be %s", name, strings.Join(names, " or "))
}

// nearest is the option most similar to name, "" if none is similar.
func (c Command) nearest(name string) string {
	var names []string
	for d := range c.rows() {
		if d.help != "" {
			names = append(names, d.name)
		}
	}
	return conf.NearestOf(name, names)
}
