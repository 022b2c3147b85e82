package ingest

import (
	"bytes"
	"compress/gzip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestInOrder(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string { return writeFile(t, name, []byte(content)) }
	line := func(stamp string) string { return strings.Replace(logLine(1), "Nov 22 07:46:05", stamp, 1) + "\n" }
	packed := func(content string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(content))
		w.Close()
		return b.String()
	}
	noRecord := "Jul  1 00:00:00 gate sshd[1]: hello\n"
	july3 := put("kern.log", line("Jul  3 04:05:06"))
	july2 := put("kern.log.1", strings.Repeat(noRecord, 100)+line("Jul  2 04:05:06"))
	july1 := put("kern.log.2.gz", packed(line("Jul  1 04:05:06")))
	december := put("kern.log.3", line("Dec 30 04:05:06")) // of the year before
	capture := put("a.pcap", string(buildPcap("one")))
	plain := put("notes.txt", "no record\n")
	uptime := put("dmesg", strings.Replace(line("[   12.345678]"), " gate kernel:", "", 1))
	missing := filepath.Join(dir, "missing")
	ref := testRef
	tests := []struct {
		name        string
		given, want []string
	}{
		{"in order", []string{july1, july2, july3}, nil},
		{"as the shell sorts", []string{july3, july2, july1}, []string{july1, july2, july3}},
		{"over the end of the year", []string{july1, december}, []string{december, july1}},
		{"a capture", []string{capture, july3}, []string{july3, capture}},
		{"what has no time keeps its place", []string{plain, july3, Stdin, july1, missing, dir, uptime}, []string{plain, july1, Stdin, july3, missing, dir, uptime}},
		{"one file", []string{july3}, nil},
		{"none", nil, nil},
		{"the same twice", []string{july3, july3}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			given := slices.Clone(tt.given)
			got, moved := InOrder(tt.given, ref, nil)
			want := tt.want
			if want == nil {
				want = given
			}
			if !slices.Equal(got, want) || moved != (tt.want != nil) {
				t.Errorf("got %q, %v; want %q", got, moved, want)
			}
			if !slices.Equal(tt.given, given) {
				t.Error("the given order was changed")
			}
		})
	}
}

// TestInOrderReadsLittle checks that a large file is not read to find its first time.
func TestInOrderReadsLittle(t *testing.T) {
	large := writeFile(t, "large.log", bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 400_000))
	r := newReader(ReadOptions{Ref: testRef})
	r.names = []string{large}
	defer r.Close()
	if got, n := r.firstTime(), r.bytes.Load(); !got.IsZero() || n > 4<<20 {
		t.Errorf("time %v after %d bytes", got, n)
	}
}
