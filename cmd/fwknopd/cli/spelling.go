package cli

import "strings"

// canonical rewrites every option to --name or a one-letter form that pflag accepts.
// Values and operands are not changed.
func canonical(args []string) ([]string, error) {
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
		d, rest, err := resolve(a)
		if err != nil {
			return nil, err
		}
		if d == nil { // one-letter form: a value that follows is copied below
			out = append(out, a)
			d = lastShort(a)
		} else {
			out = append(out, "--"+d.name+rest)
		}
		if d != nil && d.takesValue() && !strings.Contains(out[len(out)-1], "=") && valueFollows(a, d) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out, nil
}

func (d *option) takesValue() bool {
	return d.kind == text || d.kind == number || d.kind == list || d.kind == ignoredText || d.kind == absentText
}

// valueFollows reports whether the value of d is the next token: not if a one-letter
// form has it attached (-cFILE).
func valueFollows(token string, d *option) bool {
	if strings.HasPrefix(token, "--") || d.short == "" || isLong(token) {
		return true
	}
	return strings.HasSuffix(token, d.short)
}

func isLong(token string) bool {
	d, _, err := resolve(token)
	return err == nil && d != nil
}

// lastShort returns the option of a one-letter cluster that takes a value, nil if none
// does.
func lastShort(token string) *option {
	for _, c := range token[1:] {
		d := byShort(string(c))
		if d == nil {
			return nil
		}
		if d.takesValue() {
			return d
		}
	}
	return nil
}

func byShort(s string) *option {
	for i := range options {
		if options[i].short == s {
			return &options[i]
		}
	}
	return nil
}

// resolve returns the option that a token names in its long form, nil for a one-letter
// form. rest is "=value" or empty.
func resolve(token string) (d *option, rest string, err error) {
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
			d = findExact(name)
		}
		return d, rest, nil
	}
	if d = findExact(name); d != nil {
		return d, rest, nil
	}
	d, err = findPrefix(name)
	return d, rest, err
}

// findExact returns the option with that name or alias, first as written, then ignoring
// case; nil if there is none.
func findExact(name string) *option {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i := range options {
			d := &options[i]
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
func findPrefix(name string) (*option, error) {
	var hits []*option
	for i := range options {
		d := &options[i]
		for _, n := range append([]string{d.name}, d.aliases...) {
			if len(n) > len(name) && strings.EqualFold(n[:len(name)], name) {
				hits = append(hits, d)
				break
			}
		}
	}
	switch len(hits) {
	case 0:
		return nil, usagef("unknown option --%s (see fwknopd --help)", name)
	case 1:
		return hits[0], nil
	}
	names := make([]string, len(hits))
	for i, d := range hits {
		names[i] = "--" + d.name
	}
	return nil, usagef("option --%s could be %s", name, strings.Join(names, " or "))
}
