package setup

import (
	"regexp"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/keygen"
)

// newStanza returns the text of a stanza for a port.
func newStanza(name, port string, s secrets) string {
	r := &run{Options: &cli.Options{Port: port}, name: name}
	return r.stanzaText(s)
}

func TestRemoved(t *testing.T) {
	ours := newStanza("bob", "tcp/22", secrets{Keys: keygen.Keys{Key: "a", HMACKey: "b"}})
	const others = "# The first.\nSOURCE ANY\nKEY x\n"
	for _, c := range []struct{ name, text, want string }{
		{"alone", ours, ""},
		{"last", added(others, ours), others},
		{"first", ours + "\n" + others, others},
		{"between", added(others, ours) + "\n# The third.\nSOURCE: ANY;\nKEY y\n", others + "\n# The third.\nSOURCE: ANY;\nKEY y\n"},
		{"no newline at the end", added(others, strings.TrimSuffix(ours, "\n")), others},
		{"a comment that is not of init stays", "# Bob's.\nSOURCE ANY\nNAME bob\n", "# Bob's.\n"},
	} {
		name := regexp.MustCompile(`NAME +bob`).FindStringIndex(c.text)[0]
		line := strings.Count(c.text[:name], "\n") // SOURCE is in the line before
		got, _, err := removed(c.text, line, "bob")
		if err != nil || got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, err, c.want)
		}
	}
	if _, _, err := removed("SOURCE ANY\nNAME bob\n%include more.conf\n", 1, "bob"); err == nil || !strings.Contains(err.Error(), "line 3, %include more.conf,") {
		t.Errorf("a stanza with an include: %v", err)
	}
}

// What init adds, it removes again, byte for byte, whatever stood in the file.
func FuzzAddRemove(f *testing.F) {
	for _, text := range []string{
		"", "\n", "\n\n", "# none", "SOURCE ANY\nKEY x", "SOURCE ANY\nKEY x\n", "SOURCE ANY\nKEY x\n\n", "SOURCE ANY\nKEY x\n\n\n",
		"SOURCE ANY\r\nKEY x\r\n", "SOURCE ANY\nKEY x\r", "SOURCE ANY\n\t ", "# bob, made by fwknopd init", "\xff\x00", "%include more.conf",
	} {
		f.Add(text)
	}
	bob := newStanza("bob", "tcp/22", secrets{Keys: keygen.Keys{Key: "a", HMACKey: "b"}})
	alice := newStanza("alice", "tcp/80", secrets{Keys: keygen.Keys{Key: "c", HMACKey: "d"}, totp: "E"})
	remove := func(t *testing.T, text, stanza, name string) string {
		source := strings.Index(text, stanza) + strings.Index(stanza, "SOURCE")
		rest, _, err := removed(text, 1+strings.Count(text[:source], "\n"), name)
		if err != nil {
			t.Fatal(err)
		}
		return rest
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, bob) || strings.Contains(text, alice) {
			t.Skip("has the stanza")
		}
		one := added(text, bob)
		if got := remove(t, one, bob, "bob"); got != text {
			t.Errorf("%q with a stanza and without it: %q", text, got)
		}
		both := added(one, alice)
		if got := remove(t, remove(t, both, bob, "bob"), alice, "alice"); got != text {
			t.Errorf("%q with two stanzas and without them, the first one first: %q", text, got)
		}
		if got := remove(t, remove(t, both, alice, "alice"), bob, "bob"); got != text {
			t.Errorf("%q with two stanzas and without them, the last one first: %q", text, got)
		}
	})
}
