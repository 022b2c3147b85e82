package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestReadCredentials: errors name the line, and no value.
func TestReadCredentials(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"MECHANISM PLAIN\nUSER edge1\nPASSWORD hidden\n", ""},
		{"# of the cluster\r\n\nPASSWORD  hidden with blanks \r\nUSER edge1\r\nMECHANISM SCRAM-SHA-512", ""},
		{"", ": has no MECHANISM"},
		{"MECHANISM PLAIN\nUSER edge1\n", ": has no PASSWORD"},
		{"MECHANISM PLAIN\nUSER edge1\nPASSWORD\n", ":3: PASSWORD has no value"},
		{"MECHANISM hidden\n", ":1: MECHANISM is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
		{"USER a\nUSER hidden\n", ":2: USER is there twice"},
		{"edge1:hidden\n", ":1: begins with none of MECHANISM, USER and PASSWORD"},
		{"PASSWORDhidden\n", ":1: begins with none of MECHANISM, USER and PASSWORD"},
	} {
		s, err := readCredentials(c.text)
		switch {
		case c.want == "":
			if err != nil || s.User != "edge1" || !strings.HasPrefix(s.Password, "hidden") || strings.HasSuffix(s.Password, " ") {
				t.Errorf("%q: %+v, %v", c.text, s, err)
			}
		case err == nil || err.Error() != c.want:
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// TestKafkaSecrets: the files are checked as the other ones are, and a secret one must be readable
// by its owner alone.
func TestKafkaSecrets(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const text = "MECHANISM PLAIN\nUSER edge1\nPASSWORD hidden\n"
	sound, open := write("sound", text, 0o600), write("open", text, 0o640)
	for _, c := range []struct{ credentials, tls, want string }{
		{sound, "Y", ""},
		{open, "Y", "may be read"},
		{write("short", "USER a", 0o600), "N", "short: has no MECHANISM"},
		{filepath.Join(dir, "none"), "N", "no such file"},
		{"", write("ca", "no PEM", 0o644), "has no certificate"},
		{"", filepath.Join(dir, "none"), "no such file"},
	} {
		l := &Loaded{Server: &conf.Server{AuthModes: []string{"KAFKA"}, KafkaCredentials: c.credentials, KafkaTLS: c.tls}, Values: &conf.Values{}}
		s, problems := l.KafkaSecrets()
		switch got := problems.Error(); {
		case c.want == "":
			if len(problems) > 0 || s.User != "edge1" {
				t.Errorf("%+v, %v", s, problems)
			}
		case !strings.Contains(got, c.want) || strings.Contains(got, "hidden"):
			t.Errorf("%+v: %s", c, got)
		}
	}
}
