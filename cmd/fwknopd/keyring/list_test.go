package keyring

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// TestSeveralDecryptIDs checks, for each origin of keys, that the existing keys decrypt
// and that the error names only the missing ones.
func TestSeveralDecryptIDs(t *testing.T) {
	h := newHome(t)
	h.importKeys("server.sec.asc", "serverpw.sec.asc", "client.pub.asc")
	files := keyFiles(t, "server.sec.asc", "serverpw.sec.asc", "client.pub.asc")
	for _, tt := range []struct {
		name     string
		ids      []string
		pw       string
		decrypts []string
		lacks    map[string]error
	}{
		{"one unknown", []string{"00000000", "EF3434A2"}, "", []string{"EF3434A2"}, map[string]error{"00000000": spa.ErrNoSecretKey}},
		{"the last unknown", []string{"EF3434A2", "00000000"}, "", []string{"EF3434A2"}, map[string]error{"00000000": spa.ErrNoSecretKey}},
		{"one locked", []string{"E3246F99", "EF3434A2"}, "wrong", []string{"EF3434A2"}, map[string]error{"E3246F99": spa.ErrLocked}},
		{"both", []string{"E3246F99", "EF3434A2"}, "server-pass-1", []string{"EF3434A2", "E3246F99"}, nil},
		{"none", []string{"00000000", "11111111"}, "", nil, map[string]error{"00000000": spa.ErrNoSecretKey, "11111111": spa.ErrNoSecretKey}},
	} {
		for origin, g := range map[string]*conf.GPG{"files": {KeyFiles: files}, "home": {HomeDir: h.dir}} {
			t.Run(tt.name+" of "+origin, func(t *testing.T) {
				g.DecryptIDs, g.DecryptPW, g.RemoteIDs = tt.ids, conf.NewSecret([]byte(tt.pw)), []string{"4F8731AC"}
				ring, err := Load(t.Context(), g)
				if ring == nil {
					t.Fatal(err)
				}
				for _, id := range tt.ids {
					if got, want := ring.Decrypts(id), slices.Contains(tt.decrypts, id); got != want {
						t.Errorf("%s decrypts: %v", id, got)
					}
					named := err != nil && strings.Contains(err.Error(), "GPG_DECRYPT_ID "+id)
					if why, want := tt.lacks[id]; named != want || want && origin == "home" && !errors.Is(err, why) {
						t.Errorf("%s: %v", id, err)
					}
				}
			})
		}
	}
}
