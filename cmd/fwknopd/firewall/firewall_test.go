package firewall

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
)

// load loads a server file with this text.
func load(t *testing.T, text string) *config.Loaded {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fwknop.conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, problems := config.Load(config.Options{Config: name, Offline: true, ServerOnly: true})
	if problems.Failed() {
		t.Fatal(problems)
	}
	return l
}

// Rules that the kernel does not expire are removed when the daemon exits, unless
// configured otherwise.
func TestLeave(t *testing.T) {
	ctx := context.Background()
	open := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), All: true, Expires: time.Now().Add(time.Hour), Stanza: 1}
	for _, c := range []struct {
		name, text string
		left       int
	}{
		{typeIPFW, "", 0},
		{typeIPFW, "FLUSH_IPT_AT_EXIT N;\n", 1},
		{typeIPFW, "FLUSH_IPT_AT_EXIT Y;\n", 0},
		{typeNFTables, "", 1},
		{typeNFTables, "FLUSH_IPT_AT_EXIT Y;\n", 0},
	} {
		r := new(enforce.Recorder)
		fw := Firewall{Backend: r, Name: c.name}
		if err := r.Apply(ctx, open); err != nil {
			t.Fatal(err)
		}
		if closed, err := fw.ApplyExitPolicy(ctx, load(t, c.text).Server); err != nil || closed != (c.left == 0) {
			t.Fatalf("%s, %q: closed %v, %v", c.name, c.text, closed, err)
		}
		if gs, err := r.List(ctx); err != nil || len(gs) != c.left {
			t.Errorf("%s, %q: %d open, %v; want %d", c.name, c.text, len(gs), err, c.left)
		}
	}
}

// A program is found at its configured path, else in programDirs.
func TestProgram(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := FindProgram(name); got != name {
		t.Errorf("%s: %q", name, got)
	}
	if got := FindProgram("/nowhere/at/all/sh"); filepath.Base(got) != "sh" || got == "/nowhere/at/all/sh" {
		t.Errorf("a program elsewhere: %q", got)
	}
	for _, none := range []string{"", "/nowhere/no-such-program"} {
		if got := FindProgram(none); got != "" {
			t.Errorf("%q: %q", none, got)
		}
	}
}
