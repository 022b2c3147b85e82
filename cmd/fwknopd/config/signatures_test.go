package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fwknopd/fingerprint"
)

const shippedText = "5840:64:1:60:M*,S,T,N,W0:.:Tested:1::Tested 1\n"

// TestShippedSignatures checks that $FWKNOP_CONF_DIR/pf.os is added to the built-in
// signatures, and that another P0F_FILE replaces them.
func TestShippedSignatures(t *testing.T) {
	own := fingerprint.Default().Len()
	for _, tt := range []struct {
		name, server, shipped string
		want                  int
		text                  bool // whether a worker needs the text of a file
	}{
		{"not there", "", "", own, false},
		{"there", "", shippedText, own + 1, true},
		{"there and named", "P0F_FILE $FWKNOP_CONF_DIR/pf.os;\n", shippedText, 1, true},
		{"named and not there", "P0F_FILE $FWKNOP_CONF_DIR/pf.os;\n", "", own, false},
		{"another one named", "P0F_FILE $FWKNOP_CONF_DIR/mine.os;\n", shippedText, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tempFiles(t, map[string]string{"mine.os": shippedText + "8192:64:1:60:M*,S,T,N,W0:.:Tested:2::Tested 2\n", "access.conf": goodAccess})
			if tt.shipped != "" {
				if err := os.WriteFile(filepath.Join(dir, "pf.os"), []byte(tt.shipped), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			conf := filepath.Join(dir, "main.conf")
			if err := os.WriteFile(conf, []byte("AUTH_MODE PCAP;\nFWKNOP_CONF_DIR "+dir+";\n"+tt.server), 0o600); err != nil {
				t.Fatal(err)
			}
			l, problems := Load(Options{Config: conf, Access: filepath.Join(dir, "access.conf"), Offline: true})
			if problems.Failed() {
				t.Fatal(problems)
			}
			set, err := Signatures(l.Server.P0fFile, nil, os.ReadFile)
			if err != nil || set.Len() != tt.want {
				t.Errorf("%d signatures, want %d (%v)", set.Len(), tt.want, err)
			}
			text, err := SignatureText(l.Server.P0fFile)
			if err != nil || (text != nil) != tt.text {
				t.Errorf("text %q, %v", text, err)
			}
			handed := func(string) ([]byte, error) { return text, nil }
			if set, err = Signatures(l.Server.P0fFile, nil, handed); err != nil || set.Len() != tt.want {
				t.Errorf("a worker has %d signatures, want %d (%v)", set.Len(), tt.want, err)
			}
		})
	}
}

// TestSignaturesOfNothing: without a signature every system would be unnamed.
func TestSignaturesOfNothing(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"pf.os", "", "pf.os: holds no signature"},
		{"pf.os", "# comment\n", "pf.os: holds no signature"},
		{"+pf.os", "# comment\n", "<nil>"},
		{"pf.os", "\ufeff" + shippedText, "<nil>"},
	} {
		_, err := Signatures("", []string{tt.name}, func(string) ([]byte, error) { return []byte(tt.text), nil })
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%s of %q: %v, want %s", tt.name, tt.text, err, tt.want)
		}
	}
}
