package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"fwknopd/policy/conf"
)

// Exit codes of the command line contract.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Begin parses the arguments of a command, which do not include its name. If they ask
// for help or are wrong it prints the help text or the error, and returns nil and the
// exit code.
func Begin(c Command, args []string, stdout, stderr io.Writer) (*Options, int) {
	o, err := Parse(c, args)
	if err != nil {
		code := c.Refuse(stderr, err)
		var usage *UsageError
		if !errors.As(err, &usage) {
			code = exitError
		}
		return nil, code
	}
	if len(o.Obsolete) > 0 {
		fmt.Fprintf(stderr, "%s: no effect here: %s\n", c, strings.Join(o.Obsolete, ", "))
	}
	if o.Help {
		Usage(stdout, c)
		return nil, exitOK
	}
	return o, exitOK
}

// Rights returns an error that says what a user other than root is to do where err is of
// missing rights, else err. What a firewall answers to such a user does not say it.
func Rights(err error) error {
	if os.Geteuid() == 0 || err == nil {
		return err
	}
	var file *fs.PathError
	switch {
	case errors.As(err, &file) && errors.Is(file, fs.ErrPermission):
		return fmt.Errorf("%w: run as root", file)
	case errors.Is(err, fs.ErrPermission), rights.MatchString(err.Error()):
		return errors.New("only root may see and change what is open: run as root")
	}
	return err
}

// rights is what programs and the kernel say to a user other than root.
var rights = regexp.MustCompile(`(?i)permission denied|operation not permitted|must be root`)

// Refuse prints an error in the command line and returns the exit code.
func (c Command) Refuse(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", c, err)
	if c == Grants || c == Digests || c == Fleet {
		io.WriteString(stderr, synopses[c])
	}
	return exitUsage
}

// Parse parses args. As with the 1.9 daemon, long names may be abbreviated to a unique
// prefix, may have one dash or two and any letter case, and = or a blank before the
// value.
func Parse(c Command, args []string) (*Options, error) {
	o := &Options{set: make(map[string]bool)}
	fs := c.newFlagSet(o)
	args, err := c.canonical(args)
	if err != nil {
		return nil, err
	}
	if err := fs.Parse(args); err != nil {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			return nil, usagef("unknown option -%s (see %s --help)", unknown.GetSpecifiedName(), c)
		}
		return nil, usagef("%v", err)
	}
	fs.Visit(func(f *pflag.Flag) { o.set[f.Name] = true })
	o.Operands = fs.Args()
	if err := c.checkEmpty(fs); err != nil {
		return nil, err
	}
	return o, o.validate(c)
}

// checkEmpty returns an error for an option that names a file, a folder or an interface with an
// empty name, as from an unset variable of a script: the default is not what was meant.
func (c Command) checkEmpty(fs *pflag.FlagSet) error {
	for d := range c.rows() {
		if f := fs.Lookup(d.name); d.kind == text && f.Changed && f.Value.String() == "" && slices.Contains([]string{"FILE", "DIR", "NAME"}, d.arg) {
			return usagef("--%s: the %s is empty", d.name, strings.ToLower(d.arg))
		}
	}
	return nil
}

func (c Command) newFlagSet(o *Options) *pflag.FlagSet {
	fs := pflag.NewFlagSet(c.String(), pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	for d := range c.rows() {
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
		case optional:
			fs.StringVarP(p.(*string), d.name, d.short, "", d.help)
			fs.Lookup(d.name).NoOptDefVal = d.arg
		case number:
			fs.VarP((*nonNegative)(p.(*int)), d.name, d.short, d.help)
		case size:
			fs.VarP((*byteSize)(p.(*int)), d.name, d.short, d.help)
		case list:
			fs.VarP((*commaList)(p.(*[]string)), d.name, d.short, d.help)
		case repeated:
			fs.StringArrayVarP(p.(*[]string), d.name, d.short, nil, d.help)
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

// byteSize is a flag value for a number of bytes.
type byteSize int

func (n *byteSize) String() string { return strconv.Itoa(int(*n)) }
func (n *byteSize) Type() string   { return "size" }
func (n *byteSize) Set(s string) error {
	v, err := humanize.ParseBytes(s)
	if err != nil || v > math.MaxInt {
		return fmt.Errorf("%q is not a size, as 64MiB", s)
	}
	*n = byteSize(v)
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

// validate checks what pflag cannot: actions exclude each other, and only some commands
// have operands.
func (o *Options) validate(c Command) error {
	actions, err := o.actions(c)
	switch {
	case err != nil || o.Help:
		return err
	case o.Version:
		return o.checkFormat(c)
	case c == Client:
		return o.validateClient()
	}
	if o.KeyGenFile != "" && !o.KeyGen {
		o.KeyGen, actions = true, append(actions, "--key-gen-file")
	}
	if err := o.checkCompanions(c); err != nil {
		return err
	}
	if o.Dump { // includes these checks
		actions = slices.DeleteFunc(actions, func(a string) bool { return a == "--exit-parse-config" || a == "--exit-parse-digest-cache" })
	}
	if len(actions) > 1 {
		sort.Strings(actions)
		return usagef("%s exclude each other", strings.Join(actions, " and "))
	}
	if err := o.checkOperands(c); err != nil {
		return err
	}
	if err := o.checkFormat(c); err != nil {
		return err
	}
	o.complete()
	return nil
}

// actions returns the options that were given and are actions, and notes those without effect.
func (o *Options) actions(c Command) (list []string, err error) {
	for d := range c.rows() {
		if !o.set[d.name] {
			continue
		}
		switch {
		case d.action:
			list = append(list, "--"+d.name)
		case d.kind == ignored || d.kind == ignoredText:
			o.Obsolete = append(o.Obsolete, "--"+d.name)
		case c == Daemon && o.OS && !slices.Contains(withOS, d.name):
			o.Obsolete = append(o.Obsolete, "--"+d.name)
		case d.kind == absent || d.kind == absentText:
			return nil, fmt.Errorf("--%s: this program has no such test mode", d.name)
		}
	}
	return list, nil
}

// checkOperands returns an error for operands of a command that has none.
func (o *Options) checkOperands(c Command) error {
	if len(o.Operands) == 0 || c&(Check|Version|live|FleetWork) == 0 && (c != Daemon || o.OS) {
		return nil
	}
	if c == Daemon && slices.Contains(names(), o.Operands[0]) {
		return usagef("a command stands before its options: %s %s …", c, o.Operands[0])
	}
	if meant := conf.NearestOf(o.Operands[0], names()); c == Daemon && meant != "" {
		return usagef("no command %q (did you mean %s?)", o.Operands[0], meant)
	}
	return usagef("unexpected argument %q (see %s --help)", o.Operands[0], c)
}

// checkCompanions returns an error for an option without the action that it belongs to.
func (o *Options) checkCompanions(c Command) error {
	for _, name := range []string{"key-len", "hmac-key-len", "hmac-digest-type"} {
		if o.set[name] && !o.KeyGen {
			return usagef("--%s goes with --key-gen", name)
		}
	}
	const least = 1 << 20 // less leaves room for few sources at a time
	if o.set["memory"] && o.Memory < least {
		return usagef("--memory: at least 1MiB")
	}
	for _, name := range []string{"summary", "unknown", "inner", "memory", "top", "report"} {
		if o.set[name] && c == Daemon && !o.OS {
			return usagef("--%s goes with --os", name)
		}
	}
	return nil
}

// complete sets what follows from other options.
func (o *Options) complete() {
	o.FWLog = append(o.FWLog, o.Operands...)
	if o.Debug {
		o.Foreground = true
	}
	if o.set["gpg-use-options"] {
		o.GPGOptions = 1
	}
	if o.set["gpg-no-options"] {
		o.GPGOptions = -1
	}
}

// ParseTime reads a time of the command line: RFC 3339, seconds since 1970, or a date, which is
// its beginning in UTC.
func ParseTime(text string) (time.Time, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither RFC 3339, nor a date, nor seconds since 1970", text)
	}
	return t, nil
}

// ParsePrefix parses an address or a network.
func ParsePrefix(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a network", text)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
