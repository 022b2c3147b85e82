package config

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// tempFiles writes files (mode 0600) to a temporary directory.
func tempFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goodAccess = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: a key of sixteen;\n"

func TestLoad(t *testing.T) {
	dir := tempFiles(t, map[string]string{
		"fwknop.conf": "MAX_SPA_PACKET_AGE 60;\nFWKNOP_CONF_DIR " + "DIR;\n",
		"over.conf":   "MAX_SPA_PACKET_AGE 90;\n",
		"access.conf": goodAccess + "%include more.conf;\n",
		"more.conf":   goodAccess,
	})
	server := filepath.Join(dir, "fwknop.conf")
	if err := os.WriteFile(server, []byte("MAX_SPA_PACKET_AGE 60;\nFWKNOP_CONF_DIR "+dir+";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, problems := Load(Options{Config: server, Overrides: []string{filepath.Join(dir, "over.conf")}, Argv: map[string]string{"PCAP_INTF": "lo"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := l.Server.MaxAge.Seconds(); got != 90 {
		t.Errorf("MaxAge = %v, want the override's 90", got)
	}
	if got := l.Values.Place("PCAP_INTF"); l.Server.Interface != "lo" || got.Pos.File != "command line" {
		t.Errorf("PCAP_INTF = %q from %s", l.Server.Interface, got.Pos)
	}
	if got := len(l.Access.Stanzas); got != 2 {
		t.Errorf("%d stanzas, want 2", got)
	}
	want := []string{"fwknop.conf", "over.conf", "access.conf", "more.conf"}
	var got []string
	for _, f := range l.Files {
		got = append(got, filepath.Base(f))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Files = %v, want %v", got, want)
	}
}

// TestPermissions checks the rules for owner and mode of the files.
func TestPermissions(t *testing.T) {
	for _, tt := range []struct {
		mode         os.FileMode
		strict       bool
		failed, warn bool
	}{
		{0o600, false, false, false},
		{0o600, true, false, false},
		{0o400, true, false, false},
		{0o640, false, false, true},
		{0o644, false, false, true},
		{0o644, true, true, false},
		{0o660, false, true, false},
		{0o602, false, true, false},
		{0o666, true, true, false},
	} {
		t.Run(fmt.Sprintf("%#o strict=%v", tt.mode, tt.strict), func(t *testing.T) {
			dir := tempFiles(t, map[string]string{"access.conf": goodAccess, "m.conf": ""})
			access := filepath.Join(dir, "access.conf")
			if err := os.Chmod(access, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, problems := Load(Options{Config: filepath.Join(dir, "m.conf"), Access: access, StrictPerms: tt.strict})
			_, warnings := countProblems(problems)
			if problems.Failed() != tt.failed || (warnings > 0) != tt.warn {
				t.Errorf("failed %v, warned %v: %v", problems.Failed(), warnings > 0, problems)
			}
			_, offline := Load(Options{Config: filepath.Join(dir, "m.conf"), Access: access, StrictPerms: tt.strict, Offline: true})
			if len(offline) > 0 {
				t.Errorf("offline: %v", offline)
			}
		})
	}
}

func TestSymlinkAndPipe(t *testing.T) {
	dir := tempFiles(t, map[string]string{"real.conf": goodAccess, "m.conf": ""})
	link := filepath.Join(dir, "access.conf")
	if err := os.Symlink("real.conf", link); err != nil {
		t.Fatal(err)
	}
	o := Options{Config: filepath.Join(dir, "m.conf"), Access: link}
	if _, problems := Load(o); problems.Failed() || !strings.Contains(problems.Error(), "symbolic link") {
		t.Errorf("a link is worth a warning, got %v", problems)
	}
	o.StrictPerms = true
	if _, problems := Load(o); !problems.Failed() {
		t.Error("--strict-perms accepts a link")
	}
	o.Access = dir
	if _, problems := Load(o); !problems.Failed() {
		t.Error("a directory is accepted as a file")
	}
}

// TestCasesOnDisk runs every case with the real file system and host, with the command
// lines of the two daemons.
func TestCasesOnDisk(t *testing.T) {
	root := filepath.Join("..", "..", "..", "fixtures", "conf")
	f, err := os.Open(filepath.Join(root, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var c struct {
			ID, Syntax, Expect, Where, Keyword string
			Line                               int
		}
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			if c.ID == "perl-i050" && os.Geteuid() != 0 {
				t.Skip("only root may ask the firewall for its chains")
			}
			o := DumpOptions{Options: caseOptions(root, c.Syntax, c.ID)}
			var stdout, stderr bytes.Buffer
			code := Dump(o, &stdout, &stderr)
			if (code != 0) != (c.Expect == "error") {
				t.Errorf("exit %d, want %s", code, c.Expect)
			}
			if c.Expect == "ok" {
				return
			}
			want := c.Where + ": "
			if c.Line > 0 {
				want = fmt.Sprintf("%s:%d: ", c.Where, c.Line)
			}
			if c.Expect == "warning" {
				want += "warning: "
			}
			if !strings.Contains(stderr.String(), want+c.Keyword+": ") {
				t.Errorf("stderr does not say %q", want+c.Keyword)
			}
		})
	}
	if n == 0 {
		t.Fatal("the manifest is empty")
	}
}

func caseOptions(root, syntax, id string) Options {
	dir := filepath.Join(root, syntax, id)
	o := Options{Access: filepath.Join(dir, "access.conf")}
	main := filepath.Join(dir, "main.conf")
	if _, err := os.Stat(main); err == nil {
		o.Config = main
	} else {
		o.Config = os.DevNull
	}
	if syntax == "perl" {
		if o.Config == main {
			o.Overrides = []string{main}
		}
		o.Config = filepath.Join(root, "base_perl.conf")
	}
	return o
}

var _ conf.FS = Disk{}
var _ conf.Host = localHost{}
