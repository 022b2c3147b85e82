package conf

import (
	"fmt"
	"fwknopd/fixtures/short"
	"fwknopd/fixtures/users"
	"slices"
	"strings"
	"testing"
)

// TestCostOfStanza: a site may have a stanza for each of thousands of users.
func TestCostOfStanza(t *testing.T) {
	short.Skip(t)
	const n = 10_000
	o := Options{FS: memFS{"access.conf": users.AccessConf(n)}, Access: "access.conf"}
	users.Check(t, n, users.Cost{Bytes: 6 << 10, Allocations: 60, Kept: 3 << 10}, func() any {
		_, _, a, problems := Load(o)
		if problems.Failed() || len(a.Stanzas) != n {
			t.Fatalf("%d stanzas, problems: %v", len(a.Stanzas), problems)
		}
		return a
	})
}

// TestManyStanzas: the most stanzas that are allowed load from one file, from included files
// and from an access folder; one more is refused.
func TestManyStanzas(t *testing.T) {
	short.Skip(t)
	all := users.AccessConf(MaxStanzas)
	half := strings.Index(all, fmt.Sprintf("user%d\n", MaxStanzas/2))
	half = strings.LastIndex(all[:half], "SOURCE")
	folder := make(memFS)
	for i, stanza := range slices.All(strings.SplitAfter(all, "\n\n")[:MaxStanzas]) {
		folder[fmt.Sprintf("d/%05d.conf", i)] = stanza
	}
	for _, tt := range []struct {
		name    string
		options Options
	}{
		{"file", Options{FS: memFS{"access.conf": all}, Access: "access.conf"}},
		{"includes", Options{FS: memFS{"access.conf": "%include a\n%include b\n", "a": all[:half], "b": all[half:]}, Access: "access.conf"}},
		{"folder", Options{FS: folder, AccessFolder: "d"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, a, problems := Load(tt.options)
			wantProblems(t, problems)
			if len(a.Stanzas) != MaxStanzas {
				t.Fatalf("%d stanzas", len(a.Stanzas))
			}
			if s := a.Stanzas[MaxStanzas-1]; s.Number != MaxStanzas || s.Usernames[0] != fmt.Sprintf("user%d", MaxStanzas-1) {
				t.Errorf("the last one is %d, of %v", s.Number, s.Usernames)
			}
		})
	}
	_, _, _, problems := Load(Options{FS: memFS{"access.conf": all + c26()}, Access: "access.conf"})
	wantProblems(t, problems, "access.conf:350001: SOURCE: more than 50000 stanzas")
}

// TestSizeLimits: a file may have 16 MiB, all files together 32 MiB.
func TestSizeLimits(t *testing.T) {
	short.Skip(t)
	sized := func(n int) string { // a stanza and comments
		text := c26()
		return text + strings.Repeat("#\n", (n-len(text))/2) + strings.Repeat("\n", (n-len(text))%2)
	}
	for _, tt := range []struct {
		name  string
		files memFS
		want  []string
	}{
		{"one file", memFS{"access.conf": sized(MaxFileSize)}, nil},
		{"one byte more", memFS{"access.conf": sized(MaxFileSize + 1)}, []string{"access.conf: access.conf is larger than 16777216 bytes"}},
		{"all files", memFS{"access.conf": "%include a\n%include b\n", "a": sized(MaxFileSize), "b": sized(MaxFileSize - 22)}, nil},
		{"all files, one byte more", memFS{"access.conf": "%include a\n%include b\n%include c\n", "a": sized(MaxFileSize), "b": sized(MaxFileSize - 33 - len(c26()) + 1), "c": c26()},
			[]string{"access.conf:3: %include: c makes all files together larger than 33554432 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, problems := Load(Options{FS: tt.files, Access: "access.conf"})
			wantProblems(t, problems, tt.want...)
		})
	}
}
