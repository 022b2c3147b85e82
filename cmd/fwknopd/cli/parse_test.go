package cli

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	tests := []struct {
		args string
		want func(*Options) bool
	}{
		{"-c /x", func(o *Options) bool { return o.Config == "/x" }},
		{"-c/x", func(o *Options) bool { return o.Config == "/x" }},
		{"--config=/x", func(o *Options) bool { return o.Config == "/x" }},
		{"--config-file /x", func(o *Options) bool { return o.Config == "/x" }},
		{"--conf /x", func(o *Options) bool { return o.Config == "/x" }},
		{"-config /x", func(o *Options) bool { return o.Config == "/x" }},
		{"--access-conf /a", func(o *Options) bool { return o.Access == "/a" }},
		{"-K", func(o *Options) bool { return o.Kill }},
		{"--Kill", func(o *Options) bool { return o.Kill }},
		{"--kill", func(o *Options) bool { return o.Kill }},
		{"-Kill", func(o *Options) bool { return o.Kill }},
		{"--Ki", func(o *Options) bool { return o.Kill }},
		{"--override-config a,b -O c", func(o *Options) bool { return reflect.DeepEqual(o.Overrides, []string{"a", "b", "c"}) }},
		{"-o --fw-log x", func(o *Options) bool { return o.OS && o.FWLog[0] == "x" }},
		{"--os a b", func(o *Options) bool { return o.OS && len(o.FWLog) == 2 }},
		{"-os a", func(o *Options) bool { return o.OS && o.FWLog[0] == "a" }},
		{"--os --pcap-file p", func(o *Options) bool { return o.OS && o.PcapFile == "p" }},
		{"-f -v -v", func(o *Options) bool { return o.Foreground && o.Verbose == 2 }},
		{"-fvv", func(o *Options) bool { return o.Foreground && o.Verbose == 2 }},
		{"-vfc /x -a /a", func(o *Options) bool { return o.Foreground && o.Config == "/x" && o.Access == "/a" }},
		{"--debug", func(o *Options) bool { return o.Debug && o.Foreground }},
		{"-C 5", func(o *Options) bool { return o.PacketLimit == 5 }},
		{"--Count 5", func(o *Options) bool { return o.PacketLimit == 5 }},
		{"-l de_DE --no-LC_ALL", func(o *Options) bool { return o.Locale == "de_DE" && o.NoLocale }},
		{"-P udp", func(o *Options) bool { return o.PcapFilter == "udp" }},
		{"--pcap-filter -x", func(o *Options) bool { return o.PcapFilter == "-x" }},
		{"-d /digest -p /pid -r /run", func(o *Options) bool { return o.DigestFile == "/digest" && o.PIDFile == "/pid" && o.RunDir == "/run" }},
		{"-t -U", func(o *Options) bool { return o.Test && o.UDPServer }},
		{"--knoptmCmd /x -T", func(o *Options) bool { return len(o.Obsolete) == 2 }},
		{"--knoptm-debug-pidname -c /x", func(o *Options) bool { return o.Config == "/x" && len(o.Obsolete) == 1 }},
		{"-c /x --fwkserv-debug-pidname", func(o *Options) bool { return o.Config == "/x" && len(o.Obsolete) == 1 }},
		{"--knoptm-debug-file /y -c /x --no-FKO-module", func(o *Options) bool { return o.Config == "/x" && len(o.Obsolete) == 2 }},
		{"-D --exit-parse-config", func(o *Options) bool { return o.Dump && o.ParseConfig }},
		{"-D --exit-parse-digest-cache --exit-parse-config", func(o *Options) bool { return o.Dump }},
		{"-f --rotate-digest-cache", func(o *Options) bool { return o.RotateCache && o.Foreground }},
		{"--exit-parse-config --rotate-digest-cache", func(o *Options) bool { return o.RotateCache && o.ParseConfig }},
		{"--key-gen-file /k", func(o *Options) bool { return o.KeyGen && o.KeyGenFile == "/k" }},
		{"-k --key-gen-file /k --key-len 8", func(o *Options) bool { return o.KeyGen && o.KeyLen == 8 }},
		{"--dump-serv-err-codes -f", func(o *Options) bool { return o.ErrCodes }},
		{"-S --format json", func(o *Options) bool { return o.Status && o.Format == "json" }},
		{"-h -K -R", func(o *Options) bool { return o.Help }},
	}
	for _, tt := range tests {
		o, err := Parse(Daemon, strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
		} else if !tt.want(o) {
			t.Errorf("%s: got %+v", tt.args, o)
		}
	}
}

// TestEverySpelling passes every option to every command that takes it, in every
// spelling, between two others.
func TestEverySpelling(t *testing.T) {
	for _, c := range commands() {
		for d := range c.rows() {
			for _, sp := range spellings(c, d) {
				args := append(append([]string{"-h"}, sp.args...), "--HELP")
				o, err := Parse(c, args)
				switch {
				case d.kind == absent || d.kind == absentText:
					if err == nil || !strings.Contains(err.Error(), "--"+d.name+": this program has no such test mode") {
						t.Errorf("%s %q: %v", c, args, err)
					}
				case err != nil:
					t.Errorf("%s %q: %v", c, args, err)
				case !o.Set(d.name) || !o.Help || len(o.Operands) > 0:
					t.Errorf("%s %q: got %+v", c, args, o)
				case d.kind == ignored || d.kind == ignoredText:
					if len(o.Obsolete) != 1 || o.Obsolete[0] != "--"+d.name {
						t.Errorf("%s %q: without effect are %q", c, args, o.Obsolete)
					}
				case d.into != nil:
					if got := fmt.Sprint(reflect.ValueOf(d.into(o)).Elem()); got != sp.want {
						t.Errorf("%s %q: value %s, want %s", c, args, got, sp.want)
					}
				}
			}
		}
	}
}

// commands returns all commands: those of fwknopd, and the client.
func commands() (all []Command) {
	for c := Daemon; c <= Help; c <<= 1 {
		all = append(all, c)
	}
	return append(all, Client)
}

type spelling struct {
	args []string
	want string // the value, as fmt prints it
}

// spellings returns all ways to give an option, with a value if it takes one.
func spellings(c Command, d *option) (all []spelling) {
	value, want := "7", "7"
	switch d.kind {
	case switchOn:
		want = "true"
	case count:
		want = "1"
	case list, repeated:
		want = "[7]"
	}
	add := func(token string) {
		if d.kind == optional {
			all = append(all, spelling{[]string{token}, d.arg}, spelling{[]string{token + "=" + value}, value})
			return
		}
		if !d.takesValue() {
			all = append(all, spelling{[]string{token}, want})
			return
		}
		all = append(all, spelling{[]string{token, value}, want}, spelling{[]string{token + "=" + value}, want})
	}
	for _, name := range append([]string{d.name}, d.aliases...) {
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			add("-" + n)
			add("--" + n)
		}
		for cut := 1; cut < len(name); cut++ {
			if found, _, err := c.resolve("--" + name[:cut]); err == nil && found == d {
				add("--" + name[:cut])
				add("--" + strings.ToUpper(name[:cut]))
			}
		}
	}
	if d.short == "" {
		return all
	}
	add("-" + d.short)
	if d.takesValue() {
		all = append(all, spelling{[]string{"-" + d.short + value}, want})
	}
	if d.kind == text { // a value that ends like the option
		all = append(all, spelling{[]string{"-" + d.short + "7" + d.short}, "7" + d.short})
	}
	return all
}

// TestSameInAllCommands checks that a spelling means the same option in all commands,
// and that no command has an option twice.
func TestSameInAllCommands(t *testing.T) {
	type shape struct {
		name, short, aliases string
		value                bool
	}
	seen := make(map[string]shape)
	for i := range options {
		d := &options[i]
		is := shape{d.name, d.short, strings.Join(d.aliases, " "), d.takesValue()}
		for _, spelled := range append([]string{"--" + d.name, "-" + d.short}, d.aliases...) {
			if was, ok := seen[spelled]; ok && was != is && spelled != "-" {
				t.Errorf("%s is %+v and %+v", spelled, was, is)
			}
			seen[spelled] = is
		}
	}
	for _, c := range commands() {
		var names []string
		for d := range c.rows() {
			if slices.Contains(names, d.name) {
				t.Errorf("%s has --%s twice", c, d.name)
			}
			names = append(names, d.name)
		}
	}
}

func TestFilterWithBlanks(t *testing.T) {
	o, err := Parse(Daemon, []string{"-P", "udp port 62201", "-f"})
	if err != nil || o.PcapFilter != "udp port 62201" || !o.Foreground {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--nonsense": "unknown option --nonsense",
		"--o":        "could be",
		"-K -R":      "--Kill and --Restart exclude each other",
		"-C x":       "whole number",

		"--key-len 16":                              "--key-len goes with --key-gen",
		"--hmac-digest-type sha1 -f":                "--hmac-digest-type goes with --key-gen",
		"--key-gen-file k -K":                       "--Kill and --key-gen-file exclude each other",
		"-D -K":                                     "--Dump-config and --Kill exclude each other",
		"-D -K --exit-parse-config":                 "--Dump-config and --Kill exclude each other",
		"--exit-parse-config --dump-serv-err-codes": "exclude each other",
		"-C -1":        "whole number",
		"stray":        `unexpected argument "stray"`,
		"-c":           "needs an argument",
		"--Kill=maybe": "invalid",
	} {
		_, err := Parse(Daemon, strings.Fields(args))
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

func TestBegin(t *testing.T) {
	for _, tt := range []struct {
		c              Command
		args           string
		code           int
		stdout, stderr string // their beginnings
	}{
		{Daemon, "--nonsense", 2, "", "fwknopd: unknown option --nonsense (see fwknopd --help)\n"},
		{Daemon, "--format xml", 2, "", "fwknopd: no format \"xml\" (text, json or jsonl)\n"},
		{Daemon, "-T -h", 0, "Usage: fwknopd [options] ", "fwknopd: no effect here: --Test-mode\n"},
		{Daemon, "-A", 1, "", "fwknopd: --afl-fuzzing: "},
		{Replay, "--what", 2, "", "fwknopd replay: flag needs an argument: --what-if\n"},
		{Replay, "--HELP", 0, "usage: fwknopd replay ", ""},
		{Explain, "-K", 2, "", "fwknopd explain: unknown option -K (see fwknopd explain --help)\n"},
		{Daemon, "-c x.conf replay a.log", 2, "", "fwknopd: a command stands before its options: fwknopd replay …\n"},
		{Daemon, "--config= -f", 2, "", "fwknopd: --config: the file is empty\n"},
		{Daemon, "--intf= -f", 2, "", "fwknopd: --intf: the name is empty\n"},
		{Replay, "--access-file= x.pcap", 2, "", "fwknopd replay: --access-file: the file is empty\n"},
		{Check, "stray", 2, "", "fwknopd check: unexpected argument \"stray\" (see fwknopd check --help)\n"},
		{Check, "--json --format jsonl", 2, "", "fwknopd check: --json and --format jsonl exclude each other\n"},
		{Why, "--last -1", 2, "", "fwknopd why: invalid argument \"-1\" for \"--last\" flag: "},
		{Help, "-help", 0, "usage: fwknopd help ", ""},
	} {
		var stdout, stderr bytes.Buffer
		o, code := Begin(tt.c, strings.Fields(tt.args), &stdout, &stderr)
		if o != nil || code != tt.code || !begins(stdout.String(), tt.stdout) || !begins(stderr.String(), tt.stderr) {
			t.Errorf("%s %s: exit %d, %q, %q", tt.c, tt.args, code, stdout.String(), stderr.String())
		}
	}
}

// begins reports whether text begins with prefix; "" only begins an empty text.
func begins(text, prefix string) bool {
	return strings.HasPrefix(text, prefix) && (text == "") == (prefix == "")
}

func TestJSON(t *testing.T) {
	for args, want := range map[string]bool{"": false, "--format text": false, "--format jsonl": true, "--json": true, "--json --format json": true} {
		if o, err := Parse(Check, strings.Fields(args)); err != nil || o.JSON() != want {
			t.Errorf("%q: %+v, %v", args, o, err)
		}
	}
}

// TestAbsent checks that an unsupported mode is refused with an error that is not a
// usage error.
func TestAbsent(t *testing.T) {
	for _, args := range []string{"-A", "--afl-fuzzing -f", "--fault-injection-tag x", "--afl-pkt-file x -c y"} {
		_, err := Parse(Daemon, strings.Fields(args))
		var u *UsageError
		if err == nil || errors.As(err, &u) || !strings.Contains(err.Error(), "this program has no such test mode") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestSet(t *testing.T) {
	o, err := Parse(Daemon, []string{"-C", "0"})
	if err != nil || !o.Set("packet-limit") || o.Set("config") {
		t.Errorf("got %v %v", o, err)
	}
}

func TestUsageNamesEveryOption(t *testing.T) {
	for _, c := range commands() {
		var b bytes.Buffer
		Usage(&b, c)
		for d := range c.rows() {
			if d.help != "" && !strings.Contains(b.String(), "--"+d.name) {
				t.Errorf("usage of %s does not name --%s", c, d.name)
			}
		}
	}
}
