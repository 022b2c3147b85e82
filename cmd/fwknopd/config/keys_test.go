package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckKeys checks that check loads the OpenPGP keys, but not with --offline.
func TestCheckKeys(t *testing.T) {
	keys, err := filepath.Abs("../../../fixtures/spa/keys")
	if err != nil {
		t.Fatal(err)
	}
	stanza := func(file string) string {
		return checkedAccess + "GPG_ALLOW_NO_PW Y\nGPG_DECRYPT_ID 00000000, EF3434A2\nGPG_REMOTE_ID 4F8731AC, 12345678\nGPG_KEY_FILE " + keys + "/" + file + ", " + keys + "/client.pub.asc\n"
	}
	for _, tt := range []struct {
		name, file, want string
		options          []string
	}{
		{"one is missing", "server.sec.asc", "access.conf:7: warning: GPG_DECRYPT_ID: 00000000: no secret key to decrypt with\n", []string{"--offline=false"}},
		{"signer", "server.sec.asc", "access.conf:8: warning: GPG_REMOTE_ID: 12345678: no public key of the signer\n", []string{"--offline=false"}},
		{"no file", "none.asc", "access.conf:9: warning: GPG_KEY_FILE: the daemon does not start without these keys: ", []string{"--offline=false"}},
		{"another host", "none.asc", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := Checker{}.run(t, map[string]string{"main.conf": "AUTH_MODE PCAP;\n", "access.conf": stanza(tt.file)}, tt.options...)
			if code != 0 || !strings.Contains(stderr, tt.want) {
				t.Errorf("%d, no %q in\n%s", code, tt.want, stderr)
			}
			if tt.options == nil && strings.Contains(stderr, "none.asc") {
				t.Errorf("asks this host:\n%s", stderr)
			}
		})
	}
}
