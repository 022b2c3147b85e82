package config

import (
	"fmt"
	"path/filepath"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// TestFromFlags checks that every option that overrides a keyword yields a valid value.
func TestFromFlags(t *testing.T) {
	o := FromFlags(&cli.Options{
		Config: "c", Access: "a", Overrides: []string{"o"}, Interface: "lo", PcapFilter: "udp", PcapFile: "p", DigestFile: "d", PIDFile: "pid", RunDir: "run",
		UDPServer: true, AnyDirection: true, CookedIntf: true, NoLocale: true, Locale: "C", Verbose: 99, FWType: "nftables", GPGHomeDir: "g", GPGExe: "/gpg", SudoExe: "/sudo",
		Lenient: true, StrictPerms: true, NoGPG: true, GPGOptions: -1,
	})
	run, err := filepath.Abs("run")
	if err != nil {
		t.Fatal(err)
	}
	for keyword, want := range map[string]string{
		"PCAP_INTF": "lo", "PCAP_FILTER": "udp", "PCAP_FILE": "p", "FWKNOP_RUN_DIR": run, "ENABLE_UDP_SERVER": "Y", "ENABLE_PCAP_ANY_DIRECTION": "Y",
		"ENABLE_COOKED_INTF": "Y", "LOCALE": "NONE", "VERBOSE": "10", "FIREWALL_TYPE": "nftables", "gpgCmd": "/gpg", "SUDO_EXE": "/sudo",
	} {
		if got := o.Argv[keyword]; got != want {
			t.Errorf("%s = %q, want %q", keyword, got, want)
		}
	}
	for keyword := range o.Argv {
		if k := conf.Find(conf.ServerFile, keyword); k == nil || k.Name != keyword {
			t.Errorf("%s is no keyword", keyword)
		}
	}
	if got, want := fmt.Sprintf("%s %s %v %v %v %v %v", o.Config, o.Access, o.Overrides, o.Lenient, o.StrictPerms, o.NoGPG, o.GPGOptions), "c a [o] true true true -1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(FromFlags(&cli.Options{}).Argv); n != 0 {
		t.Errorf("no option gives %d values", n)
	}
}
