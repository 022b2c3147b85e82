package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder of the digest file that others may write to is named.
func TestCheckDigestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		perm os.FileMode
		uid  int
		says string
	}{
		{"private", 0o700, 0, ""},
		{"readable", 0o755, 0, ""},
		{"group", 0o775, 0, "others may write to"},
		{"sticky", 0o777, 0, "others may write to"},
		{"user", 0o700, 65534, "belongs to user 65534"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.uid != 0 && os.Getuid() != 0 {
				t.Skip("giving folders away takes root")
			}
			folder := filepath.Join(dir, c.name)
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(folder, c.perm); err != nil {
				t.Fatal(err)
			}
			if c.uid != 0 {
				if err := os.Chown(folder, c.uid, 0); err != nil {
					t.Fatal(err)
				}
			}
			server, access := filepath.Join(dir, c.name+".conf"), filepath.Join(dir, "access.conf")
			for name, text := range map[string]string{server: "PCAP_INTF lo;\nDIGEST_FILE " + filepath.Join(folder, "digest.cache") + ";\n", access: "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\n"} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			Checker{}.Run([]string{"-c", server, "-a", access}, &out, &out)
			if got := out.String(); strings.Contains(got, "DIGEST_FILE: ") != (c.says != "") || !strings.Contains(got, c.says) {
				t.Errorf("%s", got)
			}
		})
	}
}
