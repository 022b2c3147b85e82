package config

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/policy/conf"
)

// DumpOptions select what -D prints.
type DumpOptions struct {
	Options
	Format     string    // "" or text: the 1.9 layout on stderr; c: the 2.6 layout, json, conf: on stdout
	IncludeAll bool      // include mail addresses, host names, networks and key ids; never keys
	Defaults   bool      // print the sample files instead
	Now        time.Time // printed at the head of the text
}

// Dump implements -D: it prints the effective values and their origins, without
// secrets. It returns exit code 78 if the configuration is refused; what could be read
// is printed anyway.
func Dump(o DumpOptions, stdout, stderr io.Writer) int {
	if o.Defaults {
		return samples(stdout, stderr)
	}
	l, problems := Load(o.Options)
	Print(stderr, problems)
	w := bufio.NewWriter(stdout) // which keeps the first error for Flush
	switch o.Format {
	case "", "text":
		w.Reset(stderr)
		o.writeText(w, l)
	case "c":
		o.writeC26(w, l)
	case "json":
		o.writeJSON(w, l)
	case "conf":
		fmt.Fprintf(w, "%s\n%s", l.Values.Format(true), l.Access.Format(true))
	default:
		fmt.Fprintf(stderr, "fwknopd: --format %q is none of text, c, json and conf\n", o.Format)
		return exitUsage
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	if problems.Failed() {
		return exitConfig
	}
	return exitOK
}

// ParseOnly implements --exit-parse-config: it prints the problems on stderr and
// returns exit code 78 if any is an error. As JSON it prints what check does.
func ParseOnly(o Options, asJSON bool, stdout, stderr io.Writer) int {
	o.StrictModes = true
	l, problems := Load(o)
	if asJSON {
		if err := json.NewEncoder(stdout).Encode(newResult(l, problems, 0)); err != nil {
			fmt.Fprintf(stderr, "fwknopd: %v\n", err)
			return exitError
		}
		if problems.Failed() {
			return exitConfig
		}
		return exitOK
	}
	Print(stderr, problems)
	if problems.Failed() {
		return exitConfig
	}
	fmt.Fprintln(stdout, "Configs parsed, exiting.")
	return exitOK
}

// redacted replaces values that a dump sent to other people must not reveal.
const redacted = "(removed)"

// privateKeywords identify people, networks or keys.
var privateKeywords = map[string]bool{
	"EMAIL_ADDRESSES": true, "HOSTNAME": true, "BLACKLIST": true, "GPG_DEFAULT_HOME_DIR": true,
	"GPG_REMOTE_ID": true, "GPG_FINGERPRINT_ID": true, "GPG_DECRYPT_ID": true, "GPG_HOME_DIR": true, "GPG_KEY_FILE": true,
}

// redact returns the value as a dump may print it.
func (o *DumpOptions) redact(v *conf.Value) string {
	switch {
	case v.Text == "":
		return ""
	case v.Keyword.Secret(), privateKeywords[v.Keyword.Name] && !o.IncludeAll:
		return redacted
	}
	return conf.Printable(v.Text)
}

// writeText writes the layout of 1.9 with the origin after each value.
func (o *DumpOptions) writeText(w *bufio.Writer, l *Loaded) {
	source := "built-in defaults"
	if name := o.Main(); name != "" {
		source = name
	}
	fmt.Fprintf(w, "\n%s [+] Dumping config from: %s\n\n", o.Now.Format(time.ANSIC), source)
	values := l.Values.All()
	sort.SliceStable(values, func(i, j int) bool { return values[i].Keyword.Name < values[j].Keyword.Name })
	var commands []*conf.Value
	for _, v := range values {
		if strings.HasSuffix(v.Keyword.Name, "Cmd") {
			commands = append(commands, v)
			continue
		}
		fmt.Fprintf(w, "%-30s %-40s # %s\n", v.Keyword.Name, o.redact(v), v.Where())
	}
	w.WriteString("\n[+] Command paths:\n\n")
	for _, v := range commands {
		fmt.Fprintf(w, "%-30s %-40s # %s\n", strings.TrimSuffix(v.Keyword.Name, "Cmd"), o.redact(v), v.Where())
	}
	fmt.Fprintf(w, "\n[+] Dumping access config: %s\n", l.Access.File)
	for s := range l.Access.All() {
		fmt.Fprintf(w, "\nSOURCE block: %d\n", s.Number)
		for _, v := range setValues(s) {
			fmt.Fprintf(w, "%s: %-40s # %s\n", v.Keyword.Name, o.redact(v), v.Where())
		}
	}
}

// setValues returns the values of a stanza that are not empty.
func setValues(s *conf.Stanza) []*conf.Value {
	var list []*conf.Value
	for _, v := range s.Values.All() {
		if v.Text != "" {
			list = append(list, v)
		}
	}
	return list
}

// writeC26 writes the layout of 2.6.
func (o *DumpOptions) writeC26(w *bufio.Writer, l *Loaded) {
	w.WriteString("Current fwknopd config settings:\n")
	for i, v := range l.Values.All() {
		text := o.redact(v)
		if text == "" {
			text = "<not set>"
		}
		fmt.Fprintf(w, "%3d. %-28s =  '%s'\n", i, v.Keyword.Name, text)
	}
	w.WriteString("\nCurrent fwknopd access settings:\n")
	for s := range l.Access.All() {
		fmt.Fprintf(w, "\nSOURCE (%d):  %s\n%s\n", s.Number, s.Values.All()[0], strings.Repeat("=", 62))
		for _, v := range setValues(s) {
			text := o.redact(v)
			if v.Keyword.Secret() {
				text = "<see the access.conf file>"
			}
			fmt.Fprintf(w, "%28s:  %s\n", v.Keyword.Name, text)
		}
	}
}

// A dumpValue is one value in JSON.
type dumpValue struct {
	Keyword string `json:"keyword"`
	Value   string `json:"value"`
	Origin  string `json:"origin"`
}

// writeJSON writes one object. Members may be added, never removed or changed.
func (o *DumpOptions) writeJSON(w *bufio.Writer, l *Loaded) {
	type block struct {
		Number int         `json:"number"`
		File   string      `json:"file"`
		Line   int         `json:"line"`
		Mode   string      `json:"mode"`
		Values []dumpValue `json:"values"`
	}
	out := struct {
		V       int         `json:"v"`
		Server  []dumpValue `json:"server"`
		Access  string      `json:"access"`
		Stanzas []block     `json:"stanzas"`
	}{V: 1, Access: l.Access.File, Stanzas: []block{}}
	for _, v := range l.Values.All() {
		out.Server = append(out.Server, dumpValue{v.Keyword.Name, o.redact(v), v.Where()})
	}
	for s := range l.Access.All() {
		b := block{Number: s.Number, File: s.Pos.File, Line: s.Pos.Line, Mode: s.Collect}
		for _, v := range setValues(s) {
			b.Values = append(b.Values, dumpValue{v.Keyword.Name, o.redact(v), v.Where()})
		}
		out.Stanzas = append(out.Stanzas, b)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(out) // an error of w is that of its Flush
}

// The sample files are short and valid. access.conf has the placeholders @KEY@ and
// @HMAC_KEY@, so that no published key can end up in use.
var (
	//go:embed sample/fwknop.conf
	sampleServer string
	//go:embed sample/access.conf
	sampleAccess string
)

// Lengths of generated keys in bytes.
const (
	sampleKeyLen  = 32
	sampleHMACLen = 64
)

// samples implements `fwknopd -D --defaults`: it prints both files with their names.
func samples(stdout, stderr io.Writer) int {
	access := strings.NewReplacer("@KEY@", keygen.Base64(sampleKeyLen), "@HMAC_KEY@", keygen.Base64(sampleHMACLen)).Replace(sampleAccess)
	_, err := fmt.Fprintf(stdout, "# ---- fwknop.conf ----\n%s\n# ---- access.conf ----\n%s", sampleServer, access)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}
