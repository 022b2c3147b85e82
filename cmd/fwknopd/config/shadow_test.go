package config

import (
	"strings"
	"testing"

	"fwknopd/policy/crypt"
)

// FuzzShadow: the hash of a user is from the first line that has the name, whatever else
// stands in the file, and a locked account has no password.
func FuzzShadow(f *testing.F) {
	const sha = "$5$abcdefgh$2bRxQxNLCJRSEvXgIkqrrBBA1L2hFtAzGWdmEQeTy20"
	for _, text := range []string{"", "root:*:1\nalice:" + sha + ":20000:0:99999:7:::\n", "alice:!" + sha, "alice\nalice::\n", "alicex:" + sha, "\x00alice:a\r\n"} {
		f.Add(text, "alice")
	}
	f.Add(":x\n", "")
	f.Fuzz(func(t *testing.T, text, user string) {
		hash, err := findHash(strings.NewReader(text), user)
		if err != nil {
			if hash != "" {
				t.Fatalf("%q with %v", hash, err)
			}
			return
		}
		if strings.ContainsAny(user, ":\n") || strings.ContainsAny(hash, ":\n") {
			t.Fatalf("user %q has %q", user, hash)
		}
		before, _, found := strings.Cut("\n"+text, "\n"+user+":"+hash)
		if !found || strings.Contains(before, "\n"+user+":") {
			t.Fatalf("%q is not what the first line of %q in %q has", hash, user, text)
		}
		if ok, err := crypt.Verify("!"+hash, "secret"); ok || err != nil {
			t.Fatalf("locked: %v, %v", ok, err)
		}
	})
}
