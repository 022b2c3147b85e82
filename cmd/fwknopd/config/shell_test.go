package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Commands with shell syntax are refused with a hint at EXTERNAL_CMD_SHELL, and accepted
// with that.
func TestCheckShellSyntax(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fwknop.conf", "access.conf"} {
		text, err := os.ReadFile(filepath.Join("../../../fixtures/cases/suite26/f22-external-cmd-shell", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, access := filepath.Join(dir, "fwknop.conf"), filepath.Join(dir, "access.conf")
	add := func(name, line string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	check := func() (int, string) {
		var out bytes.Buffer
		code := Checker{}.Run([]string{"-c", server, "-a", access}, &out, &out)
		return code, out.String()
	}
	code, out := check()
	if want := access + ":5: EXTERNAL_CMD_OPEN: > is for a shell, and none runs this command: EXTERNAL_CMD_SHELL Y has /bin/sh run it"; code != 78 || !strings.Contains(out, want) {
		t.Errorf("%d\n%swant %s", code, out, want)
	}
	add(server, "EXTERNAL_CMD_SHELL Y;\n")
	if code, out = check(); code != 0 || !strings.Contains(out, `has a shell run echo "$SRC open" > /tmp/e/spa.open`) {
		t.Errorf("of the server: %d\n%s", code, out)
	}
	add(access, "EXTERNAL_CMD_SHELL: N;\n")
	if code, _ = check(); code != 78 {
		t.Error("the stanza's own word does not count")
	}
}

// For a command of fwknop.conf the problem has the position in that file.
func TestCheckShellSyntaxOfServer(t *testing.T) {
	code, _, stderr := Checker{}.run(t, map[string]string{
		"main.conf":   "ENABLE_EXTERNAL_CMDS Y;\nEXTERNAL_CMD_OPEN /bin/true;\nEXTERNAL_CMD_CLOSE /bin/close | logger;\n",
		"access.conf": "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\nENABLE_EXTERNAL_CMDS: Y;\n"})
	if want := "main.conf:3: EXTERNAL_CMD_CLOSE: | is for a shell"; code != 78 || !strings.Contains(stderr, want) {
		t.Errorf("%d %s, want %s", code, stderr, want)
	}
}
