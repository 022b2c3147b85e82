package fingerprint

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestLoadLine(t *testing.T) {
	for _, tc := range []struct {
		line, text, label string
		generic, userland bool
	}{
		// Five fields, as in pf.os.
		{"S4:64:1:60:M*,S,T,N,W0:\t\tLinux:2.4::Linux 2.4/2.6", "S4:64:1:60:M*,S,T,N,W0", "Linux:2.4::Linux 2.4/2.6", false, false},
		{"  T4:64:0:44:M1412: A:::a", "T4:64:0:44:M1412", "A:::a", false, false},
		// As a report prints it, to be copied into a file.
		{"S4:64:1:60:M*,S,T,N,W0           Linux:2.6::Linux 2.6", "S4:64:1:60:M*,S,T,N,W0", "Linux:2.6::Linux 2.6", false, false},
		{"S44:64:1:60:M1460,S,T,N,W10:.    Linux:6::mine", "S44:64:1:60:M1460,S,T,N,W10:.", "Linux:6::mine", false, false},
		// Six fields, as in p0f.fp: genre and details alone.
		{"512:64:0:44:M*:.:Linux:2.0.3x (1)", "512:64:0:44:M*:.", "Linux:2.0.3x (1)", false, false},
		{"1024:64:0:60:W10,N,M265,T,E:P:-*NMAP:OS probe", "1024:64:0:60:W10,N,M265,T,E:P", "-*NMAP:OS probe", false, true},
		{"*:128:*:*:.:UXAF!: @Windows:::guess", "*:128:*:*:.:UXAF!", "@Windows:::guess", true, false},
		{"%8192:128:1:%4:M%2,?19,W%3,T0,E,E:: -@Tool", "", "", false, false},
		{"%8192:128:1:%4:M%2,?19,W%3,T0,E,E: -@Tool", "%8192:128:1:%4:M%2,?19,W%3,T0,E,E", "-@Tool", true, true},
		// A label of four parts needs no blank before it, after five fields or six.
		{"S4:64:1:60:M*,S,T,N,W0:Linux:2.4::Linux 2.4/2.6", "S4:64:1:60:M*,S,T,N,W0", "Linux:2.4::Linux 2.4/2.6", false, false},
		{"S4:64:1:60:M*,S,T,N,W0:.:Linux:2.4::Linux 2.4", "S4:64:1:60:M*,S,T,N,W0:.", "Linux:2.4::Linux 2.4", false, false},
		{"45046:64:0:44:M*:AIX:4.3::AIX 4.3", "45046:64:0:44:M*", "AIX:4.3::AIX 4.3", false, false},
		{"45046:64:0:44:M*:Z:AIX:4.3::AIX 4.3", "45046:64:0:44:M*:Z", "AIX:4.3::AIX 4.3", false, false},
		{"1:64:0:44:M*:A: b:c:d", "1:64:0:44:M*:A", "b:c:d", false, false},
		{"S4:64:0:44:M*:QNX:::QNX demodisk", "S4:64:0:44:M*", "QNX:::QNX demodisk", false, false},
		{"1:64:0:44:M*:@Linux:2.4::a: b, c", "1:64:0:44:M*", "@Linux:2.4::a: b, c", true, false},
		{"1024:64:0:40:.:*NMAP:syn scan:1:NMAP syn scan (1)", "1024:64:0:40:.", "*NMAP:syn scan:1:NMAP syn scan (1)", false, true},
		{"12288:32:0:44:M536:RISC OS:3.70:4.10:RISC OS 3.70", "12288:32:0:44:M536", "RISC OS:3.70:4.10:RISC OS 3.70", false, false},
		// Conditions beside quirks and without them, and a TTL with any distance.
		{"65535:255:0:40:.:.,id=54321: *zmap", "65535:255:0:40:.:.,id=54321", "*zmap", false, true},
		{"65535:255:0:40:.:id=54321,sport=6000,seq=dst,ip=4: *x", "65535:255:0:40:.:id=54321,sport=6000,seq=dst,ip=4", "*x", false, true},
		{"65535:64-:0:40:.:id=0:*x:y::z", "65535:64-:0:40:.:id=0", "*x:y::z", false, true},
		// The label is kept to the letter, trailing blanks and all.
		{"1:1:0:40:.: a : b  ", "1:1:0:40:.", "a : b  ", false, false},
		{"1:1:0:40:.: crlf\r", "1:1:0:40:.", "crlf", false, false},
	} {
		set, err := Load("t", []byte(tc.line+"\n"))
		if tc.text == "" {
			if err == nil {
				t.Errorf("%q: loaded", tc.line)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tc.line, err)
			continue
		}
		sig := set.At(0)
		if sig.Text != tc.text || sig.Label != tc.label || sig.Generic != tc.generic || sig.Userland != tc.userland {
			t.Errorf("%q: got %+q", tc.line, fileLine(sig))
		}
		again, err := Load("t", []byte(fileLine(sig)))
		if err != nil || again.At(0).Text != tc.text || again.At(0).Label != tc.label {
			t.Errorf("%q: %q does not load as the same: %v", tc.line, fileLine(sig), err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"nonsense", "not a signature"},
		{"1:64:0:44", "not a signature"},
		{"1:64:0:44 M*: x", "not a signature"},
		{"1:64:0:44:M*:", "no label"},
		{"1:64:0:44:M*: @", "no label"},
		{"1:64:0:44:M*: *-@", "no label"},
		{"65536:64:0:44:M*: x", `window: "65536"`},
		{"S:64:0:44:M*: x", `window: "S"`},
		{"S0:64:0:44:M*: x", `window: "S0"`},
		{"%0:64:0:44:M*: x", `window: "%0"`},
		{"-1:64:0:44:M*: x", `window: "-1"`},
		{"0x10:64:0:44:M*: x", `window: "0x10"`},
		{":64:0:44:M*: x", `window: ""`},
		{"1:0:0:44:M*: x", `ttl: "0"`},
		{"1:256:0:44:M*: x", `ttl: "256"`},
		{"1:*:0:44:M*: x", `ttl: "*"`},
		{"1:64:2:44:M*: x", `df: "2"`},
		{"1:64:0:S4:M*: x", `size: "S4"`},
		{"1:64:0:44:: x", "options: empty element"},
		{"1:64:0:44:M*,: x", "options: empty element"},
		{"1:64:0:44:M: x", `options: "M"`},
		{"1:64:0:44:M%0: x", `options: "M%0"`},
		{"1:64:0:44:W256: x", `options: "W256"`},
		{"1:64:0:44:T1: x", `options: "T1"`},
		{"1:64:0:44:E,N: x", `options: "N" after the end of the list`},
		{"1:64:0:44:Q: x", `options: "Q": no such option`},
		{"1:64:0:44:?256: x", `options: "?256"`},
		{"1:64:0:44:?2: x", `options: "?2": this kind has a letter`},
		{"1:64:0:44:" + strings.Repeat("N,", 40) + "N: x", "options: more than 40"},
		{"1:64:0:44:M*:Linux: x", `quirks: unknown quirk 'L'`},
		{"1:64:0:44:M*:p: x", `quirks: unknown quirk 'p'`},
		{"1:64:0:44:M*:ttl=1: x", `quirks: "ttl=1": no such condition`},
		{"1:64:0:44:M*:id=65536: x", `quirks: "id=65536": "65536" does not fit`},
		{"1:64:0:44:M*:id=: x", `quirks: "id=": "" does not fit`},
		{"1:64:0:44:M*:seq=1: x", `quirks: "seq=1": no such condition`},
		{"1:64:0:44:M*:ip=5: x", `quirks: "ip=5": IP has`},
		{"1:64:0:44:M*:id=1,.: x", `quirks: ".": no such condition`},
		{"1:64:0:44:M*:Z,: x", `quirks: "": no such condition`},
		{"1:-:0:44:M*: x", `ttl: "-"`},
		{"1:64:0:44:M*: " + strings.Repeat("x", 1100), "longer than 1024 bytes"},
	} {
		_, err := Load("f.os", []byte("# comment\n\n \t\n"+tc.line+"\n"))
		if err == nil {
			t.Errorf("%q: loaded", tc.line)
		} else if want := "f.os:4: " + tc.want; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %q, want %q…", tc.line, err, want)
		}
	}
}

// An error names the column, in bytes from 1.
func TestLoadNamesTheColumn(t *testing.T) {
	for _, tc := range []struct {
		line string
		col  int
	}{
		{"70000:64:0:44:M*: x", 1},
		{"  70000:64:0:44:M*: x", 3},
		{"1:0:0:44:M*: x", 3},
		{"1:64:2:44:M*: x", 6},
		{"1:64:0:S4:M*: x", 8},
		{"1:64:0:44:Q: x", 11},
		{"1:64:0:44:M*,N,Q: x", 16},
		{"1:64:0:44:M*,,Q: x", 14},
		{"1:64:0:44:M*,E,N: x", 16},
		{"1:64:0:44:M*:p: x", 14},
		{"1:64:0:44:M*:Linux:2.4:x", 14},
		{"nonsense", 1},
		{"1:64:nonsense", 6},
		{"1:64:0:44 M*: x", 11},
		{"1:64:0:44:M*:", 14},
		{"1:64:0:44:M*: *@", 17},
	} {
		_, err := Load("f.os", []byte(tc.line))
		if err == nil {
			t.Errorf("%q: loaded", tc.line)
		} else if want := fmt.Sprintf(" (column %d)", tc.col); !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: error %q, want …%q", tc.line, err, want)
		}
	}
}

// All mistakes are listed, up to a bound, and no half set is returned.
func TestLoadListsAllErrors(t *testing.T) {
	set, err := Load("name", []byte("bad\n1:64:0:44:M*: x\nworse\n"))
	if set != nil || err == nil || strings.Count(err.Error(), "name:") != 2 || !strings.Contains(err.Error(), "name:3: ") {
		t.Errorf("set %v, error %v", set, err)
	}
	_, err = Load("name", []byte(strings.Repeat("bad\n", 5*maxErrors)))
	if n := strings.Count(err.Error(), "name:"); n != maxErrors {
		t.Errorf("%d errors listed, want %d", n, maxErrors)
	}
}

func TestLoadBoundsSignatures(t *testing.T) {
	var text strings.Builder
	for i := range maxSignatures + 1 {
		text.WriteString("1:64:0:44:M*: ")
		text.WriteString(strings.Repeat("x", 1+i%900))
		text.WriteString(strings.Repeat("y", 1+i/900))
		text.WriteByte('\n')
	}
	if _, err := Load("f", []byte(text.String())); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// Specific signatures come first, each kind in file order; what is there twice
// counts once.
func TestSetOrder(t *testing.T) {
	load := func(text string) *Set {
		set, err := Load("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	a := load("1:64:0:44:M*: @g1\n1:64:0:44:M*: s1\n1:64:0:44:M*: s1\n")
	b := load("1:64:0:44:M*: s2\n1:64:0:44:M*: -@g2\n1:64:0:44:M*: s1\n")
	both := a.With(b)
	var got []string
	for i := range both.Len() {
		if both.At(i).Index != i {
			t.Errorf("signature %d has index %d", i, both.At(i).Index)
		}
		got = append(got, both.At(i).Label)
	}
	if s := strings.Join(got, " "); s != "s1 s2 @g1 -@g2" {
		t.Errorf("order %q", s)
	}
	if a.Len() != 2 || b.Len() != 3 {
		t.Errorf("With changed its operands: %d, %d", a.Len(), b.Len())
	}
}

// The embedded file has every signature of the legacy list, labels to the letter.
func TestDefaultHasLegacy(t *testing.T) {
	type line struct{ text, label string }
	have := make(map[line]bool)
	for i := range Default().Len() {
		sig := Default().At(i)
		have[line{sig.Text, sig.Label}] = true
	}
	text, err := os.ReadFile("../fixtures/fingerprint/legacy-signatures.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:]
	if len(rows) != 216 {
		t.Fatalf("%d legacy signatures, want 216", len(rows))
	}
	for _, row := range rows {
		cell := strings.Split(row, "\t")
		if l := (line{strings.Join(cell[:5], ":"), cell[5]}); !have[l] {
			t.Errorf("%s: %s: missing", l.text, l.label)
		}
	}
}

// fileLine returns the line of a file that loads as s.
func fileLine(s *Signature) string { return s.Text + ": " + s.Label }
