package iptables

import (
	"os"
	"path/filepath"
	"testing"

	"fwknopd/enforce/ruleset"
)

// TestVariant: a link, also one over another link, to the program of a variant is of that variant,
// without a run; other programs are asked.
func TestVariant(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(filepath.Join(dir, target), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	program("xtables-nft-multi", "exit 1\n")
	program("xtables-legacy-multi", "exit 1\n")
	program("wrapper", "echo 'iptables v1.8.9 (nf_tables)'\n")
	program("old", "echo 'iptables v1.4.21'\n")
	program("broken", "exit 127\n")
	link("xtables-nft-multi", "iptables-nft")
	link("xtables-legacy-multi", "iptables-legacy")
	link("iptables-legacy", "iptables")
	for name, want := range map[string]ruleset.Layer{
		"iptables-nft": ruleset.IPTablesNFT, "iptables-legacy": ruleset.IPTablesLegacy, "iptables": ruleset.IPTablesLegacy,
		"wrapper": ruleset.IPTablesNFT, "old": ruleset.IPTablesLegacy, "broken": "",
	} {
		_, layer, err := find(t.Context(), filepath.Join(dir, name), defaultAlarm)
		if layer != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, layer, err, want)
		}
	}
}
