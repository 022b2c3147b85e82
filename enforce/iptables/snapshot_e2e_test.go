package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// counted returns programs that are those of a variant and write down how they are called, and what
// returns that since it was called last.
func counted(t *testing.T, program string) (path string, calls func() string) {
	dir := t.TempDir()
	for _, name := range []string{program, strings.Replace(program, "iptables", "ip6tables", 1)} {
		for _, suffix := range []string{"", "-restore"} {
			real, err := exec.LookPath(name + suffix)
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("#!/bin/sh\necho \"$0 $*\" >>%s/calls\nexec %s \"$@\"\n", dir, real)
			if err := os.WriteFile(filepath.Join(dir, name+suffix), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return filepath.Join(dir, program), func() string {
		text, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, "calls"))
		return string(text)
	}
}

// TestPrograms: a setup, a list and a reconciliation run one program for each table and family.
func TestPrograms(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		path, calls := counted(t, program)
		cfg := Config{Roles: []enforce.Role{enforce.Output, enforce.Forward, enforce.DNAT, enforce.SNAT, enforce.Masquerade}}
		g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Hour), Stanza: 3}
		lab.Server.Do(func() {
			if err := enforce.Open(ctx, backend(t, path, cfg), g); err != nil {
				t.Fatal(err)
			}
			calls()
			var b *Backend
			for _, c := range []struct {
				what string
				most int
				f    func() error
			}{
				{"New", 6, func() error { b = backend(t, path, cfg); return nil }}, // asks for versions, and tries a rule
				{"Setup", 4, func() error { return b.Setup(ctx) }},
				{"Compare", 4, func() error {
					diff, err := b.Compare(ctx, []enforce.Grant{g})
					if len(diff.Missing)+len(diff.Found) > 0 {
						t.Errorf("differences: %+v", diff)
					}
					return err
				}},
				{"List", 4, func() error {
					gs, err := b.List(ctx)
					if len(gs) != 1 {
						t.Errorf("grants: %+v", gs)
					}
					return err
				}},
				{"Chains", 4, func() error { _, err := b.Chains(ctx); return err }},
				{"Prune", 13, func() error { return b.Prune(ctx) }}, // a transaction for each chain that it removes
			} {
				if err := c.f(); err != nil {
					t.Fatalf("%s: %v", c.what, err)
				}
				if all := calls(); strings.Count(all, "\n") > c.most {
					t.Errorf("%s ran %d programs, want at most %d:\n%s", c.what, strings.Count(all, "\n"), c.most, all)
				}
			}
		})
	})
}

// TestBesideNFT: chains of ours are listed beside chains of nft(8) that iptables-nft does not list, and
// by themselves where many rules are in others; one of ours that it does not list is an error.
func TestBesideNFT(t *testing.T) {
	const program = "iptables-nft"
	netlab.Need(t, "nft", program, "ip6tables-nft")
	for name, c := range map[string]struct {
		nft   string
		err   string // of a list
		whole int    // tables that are listed whole, of four
	}{
		"rule in another chain":     {nft: "add rule ip filter f2b meta mark set ct mark map { 1 : 2 }", whole: 4},
		"rule in INPUT's neighbour": {nft: "add rule ip filter FORWARD meta mark set ct mark map { 1 : 2 }", whole: 4},
		"base chain":                {nft: "add chain ip filter x { type filter hook input priority 10; }", whole: 4},
		"base chain with our name": {nft: "add chain ip filter FWKNOP_OUTPUT { type filter hook output priority 10; }", whole: 4,
			err: "list chain FWKNOP_OUTPUT: iptables does not list the rules of nft(8)"},
		"many rules": {nft: strings.Repeat("add rule ip filter f2b counter drop\n", 2500), whole: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.New(t)
			lab.Server.Tables(t, program, "-N f2b", "-A INPUT -j f2b", "-A FORWARD -j f2b")
			path, calls := counted(t, program)
			g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Hour), Stanza: 3}
			lab.Server.Do(func() {
				if err := enforce.Open(ctx, backend(t, program, Config{}), g); err != nil {
					t.Fatal(err)
				}
			})
			lab.Server.RunInput(t, c.nft, "nft -f -")
			lab.Server.Do(func() {
				b := backend(t, path, Config{})
				calls()
				gs, err := b.List(ctx)
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("%d grants, %v", len(gs), err)
					}
					return
				}
				all := calls()
				if _, whole := listings(all); whole != c.whole || err != nil || len(gs) != 1 {
					t.Errorf("%d grants, %v, %d tables listed whole by\n%s", len(gs), err, whole, all)
				}
				if diff, err := b.Compare(ctx, []enforce.Grant{g}); err != nil || len(diff.Missing)+len(diff.Found) > 0 {
					t.Errorf("differences %+v, %v", diff, err)
				}
			})
		})
	}
}
