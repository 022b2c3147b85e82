package setup

import (
	"regexp"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/keygen"
)

func TestRemoved(t *testing.T) {
	ours := stanzaText("bob", "ANY", "tcp/22", keygen.Keys{Key: "a", HMACKey: "b"})
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
