package firewall

import (
	"os"
	"path/filepath"
	"testing"
)

// A program is taken where the file says, else where programs usually are.
func TestProgram(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := Program(name); got != name {
		t.Errorf("%s: %q", name, got)
	}
	if got := Program("/nowhere/at/all/sh"); filepath.Base(got) != "sh" || got == "/nowhere/at/all/sh" {
		t.Errorf("a program elsewhere: %q", got)
	}
	for _, none := range []string{"", "/nowhere/no-such-program"} {
		if got := Program(none); got != "" {
			t.Errorf("%q: %q", none, got)
		}
	}
}
