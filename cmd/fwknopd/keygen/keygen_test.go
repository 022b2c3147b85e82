package keygen

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
)

// TestFromOptions: keys have the lengths that are asked for, or those that suit the digest.
func TestFromOptions(t *testing.T) {
	for args, want := range map[string][2]int{
		"":                               {32, 64},
		"--hmac-digest-type SHA512":      {32, 128},
		"--hmac-digest-type sha3_512":    {32, 72},
		"--key-len 16":                   {16, 64},
		"--hmac-key-len 1 --key-len 128": {128, 1},
		"--hmac-digest-type md4":         {},
		"--key-len 0":                    {},
		"--hmac-key-len 129":             {},
	} {
		o, err := cli.Parse(cli.Client, append(strings.Fields(args), "--key-gen"))
		if err != nil {
			t.Fatal(err)
		}
		k, err := FromOptions(o)
		if (err != nil) != (want[0] == 0) {
			t.Errorf("%s: %v", args, err)
			continue
		}
		for i, key := range []string{k.Key, k.HMACKey} {
			if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != want[i] {
				t.Errorf("%s: a key of %d bytes (%v), want %d", args, len(raw), err, want[i])
			}
		}
	}
}

// TestWrite: the file is for the user only and is never overwritten, also not through a
// link.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys"), filepath.Join(dir, "link")
	k := Keys{"a", "b"}
	if err := os.Symlink(path, link); err == nil && k.Write(link) == nil {
		t.Error("written through a link")
	}
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "KEY_BASE64: a\nHMAC_KEY_BASE64: b\n" {
		t.Errorf("%v %q", err, text)
	}
	if k.Write(path) == nil {
		t.Error("overwritten")
	}
}
