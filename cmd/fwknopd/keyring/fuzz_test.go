package keyring

import (
	"slices"
	"strings"
	"testing"
)

// FuzzValidKeys: a fingerprint counts only if the last key above it is valid and it is the
// first below that; a listing in which nothing is valid has none.
func FuzzValidKeys(f *testing.F) {
	const key = "pub:f:3072:1:0123456789ABCDEF:1700000000:::f:::scESC::::::23::0:\nfpr:::::::::AAAABBBBCCCCDDDDEEEEFFFF0000111122223333:\n"
	for _, text := range []string{
		"", key, key + "sub:f:::::::::\nfpr:::::::::SUB:\n", strings.ReplaceAll(key, ":f:", ":r:") + key, "fpr:::::::::X:\n",
		"uid:f::::::::fpr:\n" + key, strings.ReplaceAll(key, "\n", "\r\n"), "pub:f\n" + key,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := validKeys([]byte(text))
		for _, fingerprint := range found {
			if !strings.Contains(text, "fpr:") || strings.ContainsAny(fingerprint, ":\n") || !strings.Contains(text, ":"+fingerprint) {
				t.Fatalf("%q of %q", fingerprint, text)
			}
		}
		// Each key is on its own: what stands above one does not change what it adds.
		if twice := validKeys([]byte(text + "\npub:r::::::::::\n" + text)); !slices.Equal(twice, slices.Concat(found, found)) {
			t.Fatalf("%q, twice %q", found, twice)
		}
		revoked := ""
		for line := range strings.Lines(text) {
			if field := strings.Split(line, ":"); len(field) > 2 {
				field[1] = "r"
				line = strings.Join(field, ":")
			}
			revoked += line
		}
		if left := validKeys([]byte(revoked)); len(left) > 0 {
			t.Fatalf("%q has valid keys %q", revoked, left)
		}
	})
}
