package config

import (
	"path/filepath"
	"strconv"

	"fwknopd/cmd/fwknopd/cli"
)

// FromFlags returns the load options for a parsed command line. Every option that
// overrides a keyword is in Argv, so that the dump can name the command line as its
// origin.
func FromFlags(f *cli.Options) Options {
	o := Options{
		Config: f.Config, Access: f.Access, AccessFolder: f.AccessFolder, Overrides: f.Overrides,
		Lenient: f.Lenient, StrictPerms: f.StrictPerms, Offline: f.Offline, NoGPG: f.NoGPG, GPGOptions: f.GPGOptions,
		Argv: make(map[string]string), Dir: absolute("."),
	}
	for keyword, value := range map[string]string{
		"PCAP_INTF":            f.Interface,
		"PCAP_FILTER":          f.PcapFilter,
		"PCAP_FILE":            f.PcapFile,
		"DIGEST_FILE":          absolute(f.DigestFile),
		"FWKNOP_PID_FILE":      absolute(f.PIDFile),
		"FWKNOP_RUN_DIR":       absolute(f.RunDir),
		"LOCALE":               f.Locale,
		"FIREWALL_TYPE":        f.FWType,
		"GPG_DEFAULT_HOME_DIR": absolute(f.GPGHomeDir),
		"gpgCmd":               f.GPGExe,
		"SUDO_EXE":             f.SudoExe,
	} {
		if value != "" {
			o.Argv[keyword] = value
		}
	}
	for keyword, on := range map[string]bool{
		"ENABLE_UDP_SERVER":         f.UDPServer,
		"ENABLE_PCAP_ANY_DIRECTION": f.AnyDirection,
		"ENABLE_COOKED_INTF":        f.CookedIntf,
	} {
		if on {
			o.Argv[keyword] = "Y"
		}
	}
	if f.NoLocale {
		o.Argv["LOCALE"] = "NONE"
	}
	if f.Verbose > 0 {
		o.Argv["VERBOSE"] = strconv.Itoa(min(f.Verbose, 10))
	}
	return o
}

// absolute returns the absolute form of a path of the command line, which stays valid
// when the daemon changes its working directory.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
