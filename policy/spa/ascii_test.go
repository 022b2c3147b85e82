package spa

import (
	"bytes"
	"strings"
	"testing"
)

// TestEveryByteEverywhere: what takes eight bytes at a time sees each of them.
func TestEveryByteEverywhere(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for n := 1; n < 20; n++ {
		for at := range n {
			for c := range 256 {
				p := bytes.Repeat([]byte("a"), n)
				p[at] = byte(c)
				if got, want := printable(p), c >= ' ' && c <= '~'; got != want {
					t.Fatalf("printable(%q) = %v", p, got)
				}
				padding := c == '=' && at == n-1 && n > 1
				if got, want := isBase64(p), strings.IndexByte(alphabet, byte(c)) >= 0 || padding; got != want {
					t.Fatalf("isBase64(%q) = %v", p, got)
				}
			}
		}
	}
}
