package replay

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/fixtures/jsonl"
	"fwknopd/fixtures/short"
	"fwknopd/parse"
	"fwknopd/policy"
)

// vectorDir holds packets of real clients and the decisions of real servers on them.
const vectorDir = "../../../fixtures/spa"

// A vector is one capture with its configuration and the expected outcome.
type vector struct {
	Name       string
	File       string
	Encryption string
	Clock      int64
	Server     struct {
		CAccess    string            `json:"c_access"`
		CConf      map[string]string `json:"c_conf"`
		PerlAccess string            `json:"perl_access"`
		PerlConf   map[string]string `json:"perl_conf"`
	}
	Profile       string
	Expect        string
	ExpectPackets []string `json:"expect_packets"`
	Packets       []string `json:"packets_base64"`
	Wire          string   `json:"wire_base64"`
	Observed      map[string]struct{ Grants []string }

	homes string // directory of the GnuPG homes
}

// deviations are the vectors on which the reference server has a defect, with the
// correct outcome.
var deviations = map[string]string{
	// 2.6 takes any packet of 400 characters for OpenPGP.
	"c-udp-long-400": "accept",
	// 2.6 compares only the last eight digits, and only of the signing key.
	"c-gpg-remote-id-16hex":           "accept",
	"c-gpg-signing-subkey-primary-id": "accept",
	// 2.6 prepends "hQ" also to messages that did not begin with it.
	"c-gpg-ecc-recipient": "accept",
}

// write writes the configuration of the vector's profile to dir and returns the options
// that select it.
func (v *vector) write(t *testing.T, dir string) []string {
	t.Helper()
	access, settings, name, end := v.Server.CAccess, v.Server.CConf, "fwknopd.conf", ""
	if v.Profile == "perl" {
		access, settings, name, end = v.Server.PerlAccess, v.Server.PerlConf, "fwknop.conf", ";"
	}
	keys, err := filepath.Abs(filepath.Join(vectorDir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	access = strings.ReplaceAll(access, "$WORK/shadow", filepath.Join(keys, "shadow"))
	access = strings.ReplaceAll(access, "$WORK", v.homes)
	access = strings.ReplaceAll(access, "/usr/bin/gpg1", "/usr/bin/gpg")
	var conf strings.Builder
	for k, val := range settings {
		fmt.Fprintf(&conf, "%s %s%s\n", k, val, end)
	}
	c, a := filepath.Join(dir, name), filepath.Join(dir, "access.conf")
	for file, text := range map[string]string{c: conf.String(), a: access} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"-c", c, "-a", a}
}

// decided is the decision on one packet of a capture.
type decided struct {
	payload string
	at      time.Time
	policy.Decision
}

// decideAll replays a capture and returns the decision on each packet with a payload.
func decideAll(t *testing.T, args []string, capture string) []decided {
	t.Helper()
	f, err := cli.Parse(cli.Replay, append(args, capture))
	if err != nil {
		t.Fatal(err)
	}
	o := newOptions(f, nil, io.Discard, testWriter{t})
	c := &frameFilter{}
	d, err := o.load("", c)
	if err != nil {
		t.Fatal(err)
	}
	src, err := o.read(d.server, c)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var all []decided
	var ev parse.Event
	for {
		err := src.Next(t.Context(), &ev)
		if err == io.EOF {
			return all
		}
		if err != nil || len(ev.Payload) == 0 {
			continue
		}
		all = append(all, decided{string(ev.Payload), ev.Time, d.Decide(ev.Time, &ev)})
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func accepted(d decided) string {
	if d.Verdict == policy.Allow {
		return "accept"
	}
	return "reject"
}

func TestVectors(t *testing.T) {
	short.Skip(t)
	homes := gpgHomes(t)
	for _, v := range jsonl.Read[vector](t, vectorDir+"/vectors.jsonl") {
		t.Run(v.Name, func(t *testing.T) {
			if v.usesGPG() {
				v.homes = homes(t)
			}
			v.check(t)
		})
	}
}

func (v *vector) check(t *testing.T) {
	all := decideAll(t, v.write(t, t.TempDir()), filepath.Join(vectorDir, v.File))
	want := v.ExpectPackets
	if len(want) == 0 {
		want = []string{v.Expect}
		if len(v.Packets) == 2 {
			want = []string{v.Expect, v.Expect}
		}
	}
	if d, ok := deviations[v.Name]; ok {
		want = []string{d}
	}
	var got []string
	for _, d := range all {
		if v.isPacket(d.payload) {
			got = append(got, accepted(d))
			t.Logf("%s %+v", d.Reason, d.Detail)
		}
	}
	for len(got) < len(want) { // the filter dropped the packet
		got = append(got, "reject")
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, ok := deviations[v.Name]; !ok {
		v.checkGrants(t, all)
	}
}

// isPacket distinguishes SPA packets from other segments of a TCP connection.
func (v *vector) isPacket(payload string) bool {
	for _, p := range append([]string{v.Wire}, v.Packets...) {
		if raw, err := base64.StdEncoding.DecodeString(p); err == nil && string(raw) == payload {
			return true
		}
	}
	return false
}

var (
	grantC    = regexp.MustCompile(`Added (?:access|local NAT) rule to \S+ for (\S+) -> \S+ (\S+), expires at (\d+)`)
	dnatC     = regexp.MustCompile(`Added DNAT rule to \S+ for (\S+) -> \S+ (\S+), expires at (\d+)`)
	grantPerl = regexp.MustCompile(`add FWKNOP_INPUT (\S+) -> \S+\((\S+)\) ACCEPT rule (\d+) sec`)
	dnatPerl  = regexp.MustCompile(`add FWKNOP_PREROUTING (\S+) -> (\S+)\((\w+)/(\d+) to (\d+)\) DNAT rule (\d+) sec`)
)

// observed returns what the reference server opened, as "ADDRESS PROTO/PORT SECONDS".
func (v *vector) observed(t *testing.T) []string {
	server := map[string]string{"c": "c_2_6_10", "perl": "perl_1_9_12"}[v.Profile]
	var grants, dnats []string
	for _, line := range v.Observed[server].Grants {
		switch {
		case grantC.MatchString(line), dnatC.MatchString(line):
			m := grantC.FindStringSubmatch(line)
			if m == nil {
				m = dnatC.FindStringSubmatch(line)
			}
			end, err := strconv.ParseInt(m[3], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range strings.Split(m[2], ",") {
				grants = append(grants, fmt.Sprintf("%s %s %d", m[1], port, end-v.Clock))
			}
		case dnatPerl.MatchString(line):
			m := dnatPerl.FindStringSubmatch(line)
			dnats = append(dnats, fmt.Sprintf("%s %s/%s %s nat %s:%s", m[1], m[3], m[4], m[6], m[2], m[5]))
		case grantPerl.MatchString(line):
			m := grantPerl.FindStringSubmatch(line)
			grants = append(grants, fmt.Sprintf("%s %s %s", m[1], m[2], m[3]))
		}
	}
	if len(dnats) > 0 {
		grants = dnats
	}
	sort.Strings(grants)
	return slices.Compact(grants)
}

// checkGrants compares what would be open with what the reference server opened.
func (v *vector) checkGrants(t *testing.T, all []decided) {
	var got []string
	for _, d := range all {
		if d.Verdict != policy.Allow || d.Command != nil {
			continue
		}
		life := int64(0)
		if !d.Grant.Expires.IsZero() {
			life = int64(d.Grant.Expires.Sub(d.at) / time.Second)
		}
		for _, p := range d.Grant.Ports {
			line := fmt.Sprintf("%s %s %d", d.Grant.Src, p, life)
			if d.Grant.NAT != nil && v.Profile == "perl" {
				line += " nat " + d.Grant.NAT.Target.String()
			}
			got = append(got, line)
		}
	}
	sort.Strings(got)
	if got, want := slices.Compact(got), v.observed(t); !slices.Equal(got, want) {
		t.Errorf("opened %q, the reference server %q", got, want)
	}
}
