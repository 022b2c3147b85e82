package knock

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
	"fwknopd/policy/conf"
)

func TestCarryOver(t *testing.T) {
	a, b, c := shared("tcp/1 tcp/2"), shared("tcp/3 tcp/4"), encrypted("key")
	a.KnockLimit, b.KnockLimit = 1, 1
	text := encrypt(passphrase(&c), salt(0), clearText("192.0.2.99", "tcp/443", ""))
	knocks := knocksFor(&c, text, "")

	old := New(Options{Stanzas: []conf.Stanza{a, b, c}})
	expect(t, play(old, "tcp/1", "tcp/2", "tcp/3", "tcp/4"), "2 "+opened+"\n4 "+opened)
	expect(t, play(old, knocks...), "32 knock.granted 192.0.2.99 tcp/22,tcp/443 5m0s")
	expect(t, play(old, "192.0.2.8 tcp/1"), "") // under way

	// The file is reloaded: a moved down, b changed.
	a.Pos.Line, a.Number = 40, 2
	b.AccessTimeout++
	now := New(Options{Stanzas: []conf.Stanza{b, a, c}})
	now.CarryOver(old)
	expect(t, play(now, "192.0.2.8 tcp/2"), "1 knock.granted 192.0.2.8 tcp/22 5m0s")
	expect(t, play(now, "100 tcp/1", "100 tcp/2"), "2 knock.limit")
	expect(t, play(now, "200 tcp/3", "200 tcp/4"), "2 knock.granted 192.0.2.7 tcp/22 5m0.000000001s")
	expect(t, play(now, knocks...), "32 knock.replay")
	if got := now.Counts(); got.Granted != 5 || got.Refused != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSameStanza(t *testing.T) {
	a := shared("tcp/1")
	a.RequireOSRegex = regexp.MustCompile("linux")
	for _, c := range []struct {
		name   string
		change func(*conf.Stanza)
		want   bool
	}{
		{"nothing", func(*conf.Stanza) {}, true},
		{"place", func(s *conf.Stanza) { s.Pos.Line, s.Number = 9, 9 }, true},
		{"regex read again", func(s *conf.Stanza) { s.RequireOSRegex = regexp.MustCompile("linux") }, true},
		{"regex", func(s *conf.Stanza) { s.RequireOSRegex = regexp.MustCompile("bsd") }, false},
		{"key", func(s *conf.Stanza) { s.Key = conf.NewSecret([]byte("new")) }, false},
		{"source", func(s *conf.Stanza) { s.Source.Exclude = s.Source.Include[:1] }, false},
		{"sequence", func(s *conf.Stanza) { s.Sequence = nil }, false},
	} {
		b := a
		c.change(&b)
		if got := sameStanza(a, b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The same stanza, read again from lines further down, is the same.
func TestSameStanzaMovedInFile(t *testing.T) {
	const text = "SOURCE: ANY;\nSHARED_SEQUENCE: tcp/1, tcp/2;\nOPEN_PORTS: tcp/22;\nKNOCK_LIMIT: 1;\nREQUIRE_OS_REGEX: linux;\n"
	read := func(text string) conf.Stanza {
		t.Helper()
		_, _, a, problems := conf.Load(conf.Options{FS: oneFile(text), Access: "access.conf"})
		if problems.Failed() || len(a.Stanzas) != 1 {
			t.Fatal(problems)
		}
		return a.Stanzas[0]
	}
	if !sameStanza(read(text), read("# moved\n"+text)) {
		t.Error("a stanza that only moved counts as changed")
	}
	if sameStanza(read(text), read(strings.Replace(text, "LIMIT: 1", "LIMIT: 2", 1))) {
		t.Error("a changed stanza counts as the same")
	}
}

// oneFile is a [conf.FS] of one file with this text.
type oneFile string

func (f oneFile) Read(string) ([]byte, conf.FileInfo, error) {
	return []byte(f), conf.FileInfo{Regular: true, Perm: 0o600}, nil
}
func (oneFile) List(string) ([]string, error) { return nil, fs.ErrNotExist }
func (oneFile) Exists(string) bool            { return true }

// Equal stanzas are two all the same.
func TestMatchStanzas(t *testing.T) {
	a, b := shared("tcp/1"), shared("tcp/2")
	got := matchStanzas([]conf.Stanza{a, b, a}, []conf.Stanza{a, a, a})
	if len(got) != 2 || got[0] != 0 || got[2] != 1 {
		t.Errorf("%v", got)
	}
}

// Each of many stanzas is compared with few others.
func TestMatchManyStanzas(t *testing.T) {
	short.Skip(t)
	var old []conf.Stanza
	for i := range 20_000 {
		st := shared("tcp/1")
		st.Usernames = []string{fmt.Sprint("user", i)}
		old = append(old, st)
	}
	now := slices.Clone(old)
	slices.Reverse(now)
	got := matchStanzas(old, now)
	if len(got) != len(old) || got[0] != 19_999 || got[19_999] != 0 {
		t.Errorf("%d pairs, the first stanza is %d and the last %d", len(got), got[0], got[19_999])
	}
}
