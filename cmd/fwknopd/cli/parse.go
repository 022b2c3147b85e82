package cli

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// A UsageError is an error in the command line; the program exits with 2.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

func usagef(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// Parse parses args, which do not include the program's name. As with the 1.9 daemon,
// long names may be abbreviated to a unique prefix, may have one dash or two and any
// letter case, and = or a blank before the value.
func Parse(args []string) (*Options, error) {
	o := &Options{set: make(map[string]bool)}
	fs := newFlagSet(o)
	args, err := canonical(args)
	if err != nil {
		return nil, err
	}
	if err := fs.Parse(args); err != nil {
		return nil, usagef("%v", err)
	}
	fs.Visit(func(f *pflag.Flag) { o.set[f.Name] = true })
	return o, o.validate(fs.Args())
}

func newFlagSet(o *Options) *pflag.FlagSet {
	fs := pflag.NewFlagSet("fwknopd", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	for i := range options {
		d := &options[i]
		var p any
		if d.into != nil {
			p = d.into(o)
		}
		switch d.kind {
		case switchOn:
			b, _ := p.(*bool)
			if b == nil {
				b = new(bool)
			}
			fs.BoolVarP(b, d.name, d.short, false, d.help)
		case count:
			fs.CountVarP(p.(*int), d.name, d.short, d.help)
		case text:
			fs.StringVarP(p.(*string), d.name, d.short, "", d.help)
		case number:
			fs.VarP((*nonNegative)(p.(*int)), d.name, d.short, d.help)
		case list:
			fs.VarP((*commaList)(p.(*[]string)), d.name, d.short, d.help)
		case ignored, absent:
			fs.BoolP(d.name, d.short, false, d.help)
		case ignoredText, absentText:
			fs.StringP(d.name, d.short, "", d.help)
		}
	}
	return fs
}

// nonNegative is a flag value for non-negative integers.
type nonNegative int

func (n *nonNegative) String() string { return strconv.Itoa(int(*n)) }
func (n *nonNegative) Type() string   { return "number" }
func (n *nonNegative) Set(s string) error {
	v, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a whole number from 0 to %d", s, 1<<31-1)
	}
	*n = nonNegative(v)
	return nil
}

// commaList is a flag value that collects comma-separated and repeated values, in order.
type commaList []string

func (l *commaList) String() string { return strings.Join(*l, ",") }
func (l *commaList) Type() string   { return "list" }
func (l *commaList) Set(s string) error {
	for _, v := range strings.Split(s, ",") {
		if v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

// validate checks what pflag cannot: actions exclude each other, operands are allowed
// with --os only.
func (o *Options) validate(operands []string) error {
	var actions []string
	for _, d := range options {
		if !o.set[d.name] {
			continue
		}
		switch {
		case d.action:
			actions = append(actions, "--"+d.name)
		case d.kind == ignored || d.kind == ignoredText:
			o.Obsolete = append(o.Obsolete, "--"+d.name)
		case d.kind == absent || d.kind == absentText:
			return fmt.Errorf("--%s: this program has no such test mode", d.name)
		}
	}
	if o.Help || o.Version {
		return nil
	}
	if o.KeyGenFile != "" && !o.KeyGen {
		o.KeyGen, actions = true, append(actions, "--key-gen-file")
	}
	for _, name := range []string{"key-len", "hmac-key-len", "hmac-digest-type"} {
		if o.set[name] && !o.KeyGen {
			return usagef("--%s goes with --key-gen", name)
		}
	}
	if o.Dump { // includes these checks
		actions = slices.DeleteFunc(actions, func(a string) bool { return a == "--exit-parse-config" || a == "--exit-parse-digest-cache" })
	}
	if len(actions) > 1 {
		sort.Strings(actions)
		return usagef("%s exclude each other", strings.Join(actions, " and "))
	}
	if len(operands) > 0 && !o.OS {
		return usagef("unexpected argument %q (see fwknopd --help)", operands[0])
	}
	o.FWLog = append(o.FWLog, operands...)
	if o.Debug {
		o.Foreground = true
	}
	if o.set["gpg-use-options"] {
		o.GPGOptions = 1
	}
	if o.set["gpg-no-options"] {
		o.GPGOptions = -1
	}
	return nil
}
