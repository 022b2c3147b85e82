package cli

import (
	"bytes"
	"errors"
	"reflect"
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
		o, err := Parse(strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
		} else if !tt.want(o) {
			t.Errorf("%s: got %+v", tt.args, o)
		}
	}
}

func TestFilterWithBlanks(t *testing.T) {
	o, err := Parse([]string{"-P", "udp port 62201", "-f"})
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
		_, err := Parse(strings.Fields(args))
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

// TestAbsent checks that an unsupported mode is refused with an error that is not a
// usage error.
func TestAbsent(t *testing.T) {
	for _, args := range []string{"-A", "--afl-fuzzing -f", "--fault-injection-tag x", "--afl-pkt-file x -c y"} {
		_, err := Parse(strings.Fields(args))
		var u *UsageError
		if err == nil || errors.As(err, &u) || !strings.Contains(err.Error(), "this program has no such test mode") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestSet(t *testing.T) {
	o, err := Parse([]string{"-C", "0"})
	if err != nil || !o.Set("packet-limit") || o.Set("config") {
		t.Errorf("got %v %v", o, err)
	}
}

func TestUsageNamesEveryOption(t *testing.T) {
	var b bytes.Buffer
	Usage(&b)
	for _, d := range options {
		if d.help != "" && !strings.Contains(b.String(), "--"+d.name) {
			t.Errorf("usage does not name --%s", d.name)
		}
	}
}
