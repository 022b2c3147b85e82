package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestStrictModes puts each file that the daemon reads into a folder that others may write
// to, and gives it to another user: the daemon and check refuse both and name the command
// that mends it; what only shows the configuration does not.
func TestStrictModes(t *testing.T) {
	for _, tt := range []struct{ name, file, server, access string }{
		{"server file", "main.conf", "", ""},
		{"override", "over.conf", "", ""},
		{"stanzas", "access.conf", "", ""},
		{"include", "x.conf", "", "%include @/x.conf\n"},
		{"access folder", "one.conf", "ACCESS_FOLDER @\n", ""},
		{"signatures", "pf.os", "P0F_FILE @/pf.os;\n", "REQUIRE_OS Linux\n"},
		{"shadow file", "shadow", "", "REQUIRE_USERNAME root\nREQUIRE_AUTH_METHOD crypt\nSHADOW_FILE @/shadow\n"},
		{"key file", "key.asc", "", "GPG_KEY_FILE @/key.asc\nGPG_REMOTE_ID ABCD1234\nGPG_DECRYPT_ID ABCD1234\nGPG_ALLOW_NO_PW Y\n"},
		{"key ring", "pubring.kbx", "", "GPG_HOME_DIR @\nGPG_REMOTE_ID ABCD1234\nGPG_DECRYPT_ID ABCD1234\nGPG_ALLOW_NO_PW Y\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			in := filepath.Join(dir, "in")
			if err := os.Mkdir(in, 0o700); err != nil {
				t.Fatal(err)
			}
			const stanza = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY a.key.of.sixteen\nHMAC_KEY a.key.of.seventeen\n"
			place := func(name string) string {
				if name == tt.file {
					return filepath.Join(in, name)
				}
				return filepath.Join(dir, name)
			}
			o := Options{Config: place("main.conf"), Access: place("access.conf"), Overrides: []string{place("over.conf")}}
			texts := map[string]string{o.Config: tt.server, o.Access: stanza + tt.access, o.Overrides[0]: ""}
			if strings.Contains(tt.server, "ACCESS_FOLDER") {
				o.Access = ""
			}
			if file := place(tt.file); texts[file] == "" {
				texts[file] = map[bool]string{true: stanza}[tt.file == "one.conf"]
			}
			for name, text := range texts {
				if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "@", in)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			try := func(want string) {
				t.Helper()
				o.StrictModes = true
				_, problems := Load(o)
				var mentions int
				for _, p := range problems {
					if strings.Contains(p.String(), want) {
						mentions++
					}
				}
				if want == "" && problems.Failed() || want != "" && (!problems.Failed() || mentions != 1) {
					t.Errorf("want %q once:\n%v", want, problems)
				}
				args := []string{"-c", o.Config, "-O", o.Overrides[0]}
				if o.Access != "" {
					args = append(args, "-a", o.Access)
				}
				var stdout, stderr bytes.Buffer
				if code := (Checker{}).Run(args, &stdout, &stderr); want != "" && (code != exitConfig || !strings.Contains(stderr.String(), want)) {
					t.Errorf("check: exit %d:\n%s", code, &stderr)
				}
				o.StrictModes = false
				if _, problems := Load(o); problems.Failed() {
					t.Errorf("refused where it is only shown:\n%v", problems)
				}
				o.Offline = true
				if _, problems := Load(o); problems.Failed() {
					t.Errorf("offline: %v", problems)
				}
				o.Offline = false
			}
			try("")
			if err := os.Chmod(in, 0o777); err != nil {
				t.Fatal(err)
			}
			try(in + ": may be written by others than its owner (mode 0777): chmod go-w " + in)
			if os.Geteuid() != 0 {
				return // giving files away takes root
			}
			for _, name := range []string{in, place(tt.file)} {
				if err := os.Chmod(in, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(name, 65534, -1); err != nil {
					t.Fatal(err)
				}
				try("not to root: chown root " + name)
				if err := os.Chown(name, 0, -1); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestPrograms: a program that others can replace is a warning.
func TestPrograms(t *testing.T) {
	dir := tempFiles(t, map[string]string{"access.conf": goodAccess, "mail": "#!/bin/sh\n"})
	program, server := filepath.Join(dir, "mail"), filepath.Join(dir, "m.conf")
	if err := os.WriteFile(server, []byte("mailCmd "+program+";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o755: "",
		0o775: program + ": warning: may be written by others than its owner (mode 0775): chmod go-w " + program + " (" + program + " is run as root)",
	} {
		if err := os.Chmod(program, mode); err != nil {
			t.Fatal(err)
		}
		_, problems := Load(Options{Config: server, Access: filepath.Join(dir, "access.conf"), StrictModes: true})
		if got := problems.Error(); got != want {
			t.Errorf("mode %#o: got %q, want %q", mode, got, want)
		}
	}
}

// TestStateDirs: a folder of state that others may write to is a warning.
func TestStateDirs(t *testing.T) {
	dir := tempFiles(t, map[string]string{"access.conf": goodAccess})
	state := filepath.Join(dir, "state")
	server := filepath.Join(dir, "m.conf")
	if err := os.WriteFile(server, []byte("FWKNOP_RUN_DIR "+state+";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	warned := func() string {
		t.Helper()
		_, problems := Load(Options{Config: server, Access: filepath.Join(dir, "access.conf"), StrictModes: true})
		if problems.Failed() {
			t.Fatal(problems)
		}
		return problems.Error()
	}
	if got := warned(); got != "" {
		t.Errorf("of a folder that does not exist: %s", got)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := warned(); got != "" {
		t.Errorf("of a folder of ours: %s", got)
	}
	if err := os.Chmod(state, 0o777); err != nil {
		t.Fatal(err)
	}
	want := state + ": warning: the daemon writes its files here, and the folder may be written by others than its owner (mode 0777): chmod go-w " + state
	if got := warned(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestManyFilesInUnsafeFolder: a folder is reported once, however many files are in it, so
// that what is wrong with them is reported as well.
func TestManyFilesInUnsafeFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const last = conf.MaxProblems + 50
	for i := range last + 1 {
		text := goodAccess
		if i == last {
			text += "NO_SUCH_KEYWORD x\n"
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.conf", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, problems := Load(Options{AccessFolder: dir, StrictModes: true})
	text := problems.Error()
	if strings.Count(text, dir+": may be written") != 1 || !strings.Contains(text, "250.conf:") || strings.Contains(text, "not listed") {
		t.Error(text)
	}
}

// TestCheckDigestFolder: a folder of the digest file that others may write to is named once.
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
		{"group", 0o775, 0, "may be written by others"},
		{"others", 0o777, 0, "may be written by others"},
		{"user", 0o700, 65534, "belongs to "},
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
			got, want := out.String(), 0
			if c.says != "" {
				want = 1
			}
			if strings.Count(got, "DIGEST_FILE: ") != want || strings.Contains(got, "writes its files here") || !strings.Contains(got, c.says) {
				t.Errorf("%s", got)
			}
		})
	}
}
