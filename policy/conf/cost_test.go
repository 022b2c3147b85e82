package conf

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// manyStanzas returns an access.conf with a stanza for each of n users.
func manyStanzas(n int) string {
	var b strings.Builder
	for i := range n {
		key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "the key of user %16d", i))
		mac := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "the key of the messages of user %32d", i))
		fmt.Fprintf(&b, "SOURCE ANY\nOPEN_PORTS tcp/22, udp/1194\nREQUIRE_USERNAME user%d\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nFW_ACCESS_TIMEOUT 30\n\n", i, key, mac)
	}
	return b.String()
}

// TestCostOfStanza: a site may have a stanza for each of thousands of users.
func TestCostOfStanza(t *testing.T) {
	const n = 10_000
	o := Options{FS: memFS{"access.conf": manyStanzas(n)}, Access: "access.conf"}
	var before, loaded, kept runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, _, a, problems := Load(o)
	runtime.ReadMemStats(&loaded)
	runtime.GC()
	runtime.ReadMemStats(&kept)
	if problems.Failed() || len(a.Stanzas) != n {
		t.Fatalf("%d stanzas, problems: %v", len(a.Stanzas), problems)
	}
	for _, c := range []struct {
		what        string
		got, atMost uint64
	}{
		{"bytes allocated", (loaded.TotalAlloc - before.TotalAlloc) / n, 16 << 10}, // under the race detector, 5 without
		{"allocations", (loaded.Mallocs - before.Mallocs) / n, 60},
		{"bytes kept", (kept.HeapAlloc - before.HeapAlloc) / n, 3 << 10},
	} {
		t.Logf("%d %s a stanza", c.got, c.what)
		if c.got > c.atMost {
			t.Errorf("%d %s a stanza, at most %d are allowed", c.got, c.what, c.atMost)
		}
	}
	runtime.KeepAlive(a)
}

// TestManyStanzas: the most stanzas that are allowed load from one file, from included files
// and from an access folder; one more is refused.
func TestManyStanzas(t *testing.T) {
	if testing.Short() {
		t.Skip("loads 50,000 stanzas several times")
	}
	all := manyStanzas(MaxStanzas)
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
