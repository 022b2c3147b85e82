package conf

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce/quote"
)

// seeds adds every file of the cases.
func seeds(f *testing.F, add func(server, access string)) {
	f.Helper()
	dirs, err := filepath.Glob(filepath.Join(casesDir, "*", "*"))
	if err != nil || len(dirs) == 0 {
		f.Fatalf("no cases (%v)", err)
	}
	for _, dir := range dirs {
		server, _ := os.ReadFile(filepath.Join(dir, "main.conf"))
		access, _ := os.ReadFile(filepath.Join(dir, "access.conf"))
		add(string(server), string(access))
	}
}

// FuzzLoad: no input crashes or costs more than its length; what loads can be
// printed and loads again as the same.
func FuzzLoad(f *testing.F) {
	seeds(f, func(server, access string) { f.Add(server, access) })
	f.Add("HOSTNAME $$FWKNOP_DIR$;\n", perl19("KEY_BASE64: x;", "EXPECT: granted ask tcp/22 from 192.0.2.1;"))
	f.Add("DIGEST_FILE ${FWKNOP_DIR}/x\nPCAP_PKT_FILE a/../b # c\nVERBOSE 3# x\n", c26("OPEN_PORTS tcp/22 # ssh, udp/53#x", "REQUIRE_USERNAME a # b; c", "GPG_HOME_DIR x/y", "ACCESS_EXPIRE 1/2/35 # x"))
	f.Add("", c26("DATA_COLLECT_MODE: PCAP;", "FW_ACCESS_TIMEOUT: 60; KEY: x;", "GPG_DECRYPT_ID 1234ABCD 5678ABCD, alice smith", "HMAC_KEY c2l4dGVlbiBsZXR0ZXJzIQ"))
	f.Fuzz(func(t *testing.T, server, access string) {
		load := func(server, access string) (*Server, *Values, *Access, Problems) {
			return Load(Options{FS: memFS{"main.conf": server, "access.conf": access}, Dir: "/w", Server: "main.conf", Access: "access.conf", Lenient: true})
		}
		var s1 *Server
		var v1 *Values
		var a1 *Access
		var problems Problems
		d := cpuTime(t, func() { s1, v1, a1, problems = load(server, access) })
		if d > time.Second+time.Duration(len(server)+len(access))*50*time.Microsecond {
			t.Errorf("%v for %d bytes", d, len(server)+len(access))
		}
		if len(problems) > 2*(MaxProblems+1) {
			t.Errorf("%d problems", len(problems))
		}
		wantPlaces(t, problems, map[string]string{"main.conf": server, "access.conf": access})
		if problems.Failed() {
			return
		}
		server2, access2 := v1.Format(false), a1.Format(false)
		s2, v2, a2, problems := load(server2, access2)
		if problems.Failed() {
			t.Fatalf("refused after printing: %v\n%s\n%s", problems, server2, access2)
		}
		if v2.Format(false) != server2 || a2.Format(false) != access2 {
			t.Fatalf("printed differently\n%q\n%q\n%q\n%q", server2, v2.Format(false), access2, a2.Format(false))
		}
		if !reflect.DeepEqual(s1, s2) {
			t.Fatalf("server\n%+v\n%+v", s1, s2)
		}
		if g, w := typed(a2), typed(a1); g != w {
			t.Fatalf("stanzas\n%s\nwant\n%s", g, w)
		}
	})
}

// cpuTime returns the processor time that f takes, however loaded the machine is. f
// starts no goroutines.
func cpuTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	f()
	return used() - before
}

// wantPlaces: every problem names a file that was read and, unless it is about the file
// as a whole, a line of it.
func wantPlaces(t *testing.T, problems Problems, files map[string]string) {
	t.Helper()
	for i, p := range problems {
		text, known := files[p.Pos.File]
		switch lines := 1 + strings.Count(text, "\n"); {
		case strings.HasPrefix(p.Text, "not listed: ") && i == len(problems)-1:
		case !known:
			t.Errorf("%v names no file", p)
		case p.Pos.Line < 0 || p.Pos.Line > lines:
			t.Errorf("%v, but there are %d lines", p, lines)
		case p.Pos.Line == 0 && p.Severity != Notice && !strings.HasPrefix(p.Text, "no stanza") && !strings.Contains(p.Text, "is larger than"):
			t.Errorf("%v names no line", p)
		}
	}
}

// FuzzIncludes: whatever files include of each other, reading ends, and what is wrong
// has a place.
func FuzzIncludes(f *testing.F) {
	f.Add(c26("%include a", "%include_keys d/b.conf"), "HMAC_KEY something else\n", perl19("%include access.conf"))
	f.Add("%include_folder d\n", "SOURCE ANY\n%include_keys a\n", "%include a\n%include ../a\n")
	f.Add(perl19("%include: a;"), "OPEN_PORTS: tcp/22;\n", "%include_folder .\n")
	f.Fuzz(func(t *testing.T, access, a, b string) {
		files := memFS{"access.conf": access, "a": a, "d/b.conf": b}
		_, _, loaded, problems := Load(Options{FS: files, Dir: "/w", Access: "access.conf"})
		wantPlaces(t, problems, files)
		if !problems.Failed() && len(loaded.Stanzas) == 0 {
			t.Error("no stanza, and nothing is wrong")
		}
	})
}

// typed shows everything of the stanzas but where they stand.
func typed(a *Access) string {
	var b strings.Builder
	for _, s := range a.Stanzas {
		s.Pos, s.Values = Pos{}, nil
		gpg := ""
		if s.GPG != nil {
			gpg = fmt.Sprintf("%+v %q", *s.GPG, s.GPG.DecryptPW.Bytes())
		}
		for i := range s.Expectations {
			s.Expectations[i].Pos = Pos{}
		}
		s.GPG = nil
		fmt.Fprintf(&b, "%+v %q %q %s %v %v\n", s, s.Key.Bytes(), s.HMACKey.Bytes(), gpg, s.CmdRegex, s.RequireOSRegex)
	}
	return b.String()
}

// FuzzExpectation: what is read is complete and in range, and does not depend on the
// order of the words or on the quotes around them.
func FuzzExpectation(f *testing.F) {
	f.Add(`granted spa.granted ask tcp/22 from 192.0.2.1 user "a b" for 3`)
	f.Add(`command run "x \" y" from ::1 at 1`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpectation(text)
		if err != nil {
			return
		}
		if e.Verdict == "" || !e.From.IsValid() && e.File == "" || e.Record < 0 || e.Timeout < 0 || e.Gap < 0 || e.For < 0 {
			t.Errorf("%q is %+v", text, e)
		}
		words, err := quote.Expect.Split(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		turned := turnPairs(words)
		if again, err := ParseExpectation(turned); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%q is %+v, %q is %+v (%v)", text, e, turned, again, err)
		}
	})
}

// turnPairs writes an expectation with its pairs of words in the opposite order, all of
// them in quotes.
func turnPairs(words []string) string {
	head := len(words) % 2 // the verdict, or
	if head == 0 {
		head = 2 // with a reason
	}
	text := ""
	for n := range words {
		at := n
		if n >= head {
			pair := (n - head) / 2
			at = len(words) - 2 - 2*pair + (n-head)%2
		}
		text += ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(words[at]) + `"`
	}
	return text
}

// TestLinear: twice the file is about twice the time, for every shape that could
// make it worse.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	for _, tt := range []struct {
		name string
		text func(n int) string
	}{
		{"unknown keywords", func(n int) string { return perl19() + strings.Repeat("OPEN_PORTZ: x;\n", n) }},
		{"one line", func(n int) string {
			return perl19("REQUIRE_USERNAME: " + strings.Repeat("a,", min(n, maxLine/2-20)) + "b;")
		}},
		{"stanzas", func(n int) string { return strings.Repeat(perl19(), min(n/4, MaxStanzas)) }},
		{"repetitions", func(n int) string { return perl19(strings.Repeat("OPEN_PORTS: tcp/1;\n", n)) }},
		{"expectations", func(n int) string { return perl19(strings.Repeat("EXPECT: granted ask tcp/22 from 192.0.2.1;\n", n/4)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cost := func(n int) time.Duration {
				best := time.Hour
				for range 3 {
					text := tt.text(n)
					best = min(best, cpuTime(t, func() { loadText("AUTH_MODE PCAP;\n", text) }))
				}
				return best
			}
			small, big := cost(4000), cost(32000)
			if big > 32*small+100*time.Millisecond {
				t.Errorf("%v for 4000, %v for eight times as much", small, big)
			}
		})
	}
}

var noBase32 = regexp.MustCompile(`^not base32(: no number of bytes has [0-9]+ characters, one is missing or too many)?$`)

// FuzzBase32: a secret that is read is read again from each of its spellings, and no error
// holds it.
func FuzzBase32(f *testing.F) {
	for _, text := range []string{"", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "gezd gnbv", "GE======", "GF", "A", "A=A", "====", "G\nE", "ſK", "GE\u00a0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := parseBase32(text)
		if err != nil {
			if !noBase32.MatchString(err.Error()) || !secret.IsZero() {
				t.Fatalf("%v, %d bytes", err, len(secret.Bytes()))
			}
			return
		}
		spelled := base32.StdEncoding.EncodeToString(secret.Bytes())
		for _, s := range []string{spelled, strings.ToLower(spelled), strings.TrimRight(spelled, "="), " " + spelled[:1] + " \t" + spelled[1:]} {
			if again, err := parseBase32(s); err != nil || !bytes.Equal(again.Bytes(), secret.Bytes()) {
				t.Errorf("%q: %x, %v; want %x", s, again.Bytes(), err, secret.Bytes())
			}
		}
	})
}
