package unit

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// packages are the files that the script "package" makes.
type packages struct {
	deb, fleetDeb, clientDeb, rpm, fleetRPM, clientRPM string
	materials, fleetMaterials                          string // of the daemon and the fleet process
}

var (
	built    packages
	building sync.Mutex
)

// build builds the packages, once for all tests.
func build(t *testing.T) packages {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	if built != (packages{}) {
		return built
	}
	dir := scratch
	run(t, "./package", dir)
	var p packages
	for pattern, name := range map[string]*string{
		"fwknopd-fleet_*.deb": &p.fleetDeb, "fwknopd-fleet-[0-9]*.rpm": &p.fleetRPM, "fwknopd-fleet_*.cdx.json": &p.fleetMaterials,
		"fwknopd_*.deb": &p.deb, "fwknopd-client_*.deb": &p.clientDeb,
		"fwknopd-[0-9]*.rpm": &p.rpm, "fwknopd-client-*.rpm": &p.clientRPM, "fwknopd_*.cdx.json": &p.materials,
	} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		*name = found[0]
	}
	built = p
	return p
}

// contents lists all files of the package with their modes.
const contents = `drwx------ ./etc/fwknop/
-rw-r--r-- ./etc/logrotate.d/fwknopd
-rw-r--r-- ./usr/lib/systemd/system/fwknopd.service
-rw-r--r-- ./usr/lib/sysusers.d/fwknopd.conf
-rwxr-xr-x ./usr/sbin/fwknopd
-rw-r--r-- ./usr/share/bash-completion/completions/fwknopd
-rw-r--r-- ./usr/share/doc/fwknopd/README.md.gz
-rw-r--r-- ./usr/share/doc/fwknopd/SECURITY.md.gz
-rw-r--r-- ./usr/share/doc/fwknopd/copyright
-rw-r--r-- ./usr/share/doc/fwknopd/examples/access.conf
-rw-r--r-- ./usr/share/doc/fwknopd/examples/commands.conf
-rw-r--r-- ./usr/share/doc/fwknopd/examples/fwknop.conf
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/README.md
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/crowdsec/acquis.yaml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/crowdsec/fwknopd-logs.yaml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/crowdsec/fwknopd-password-bf.yaml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/fail2ban/filter.d/fwknopd.conf
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/fail2ban/jail.d/fwknopd.conf
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/filebeat/filebeat.yml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/grafana/fwknopd.json
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/prometheus/fwknopd.rules.yml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/prometheus/fwknopd.test.yml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/prometheus/prometheus.yml
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/vector/vector.toml
-rw-r--r-- ./usr/share/doc/fwknopd/uPlot.LICENSE
-rw-r--r-- ./usr/share/fish/vendor_completions.d/fwknopd.fish
-rw-r--r-- ./usr/share/man/man5/fwknop-access.conf.5.gz
-rw-r--r-- ./usr/share/man/man5/fwknop.conf.5.gz
-rw-r--r-- ./usr/share/man/man5/fwknopd-events.5.gz
-rw-r--r-- ./usr/share/man/man8/fwknopd.8.gz
-rw-r--r-- ./usr/share/zsh/vendor-completions/_fwknopd
`

// fleetContents lists all files of the package of the fleet process with their modes.
const fleetContents = `-rw-r--r-- ./usr/lib/systemd/system/fwknopd-fleet-witness.service
-rw-r--r-- ./usr/lib/systemd/system/fwknopd.service.d/fleet.conf
-rw-r--r-- ./usr/lib/tmpfiles.d/fwknopd-fleet.conf
-rwxr-xr-x ./usr/sbin/fwknopd-fleet
-rw-r--r-- ./usr/share/doc/fwknopd-fleet/copyright
`

// clientContents lists all files of the client's package with their modes.
const clientContents = `-rwxr-xr-x ./usr/bin/fwknop
-rw-r--r-- ./usr/share/bash-completion/completions/fwknop
-rw-r--r-- ./usr/share/doc/fwknopd-client/copyright
-rw-r--r-- ./usr/share/fish/vendor_completions.d/fwknop.fish
-rw-r--r-- ./usr/share/man/man8/fwknop.8.gz
-rw-r--r-- ./usr/share/zsh/vendor-completions/_fwknop
`

// checkContents compares the files of a package of Debian, their modes and those of folders
// that are not for everybody with want.
func checkContents(t *testing.T, deb, want string) {
	t.Helper()
	list := ""
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line)
		if f[1] != "root/root" {
			t.Errorf("owner: %s", line)
		}
		if f[0] != "drwxr-xr-x" {
			list += f[0] + " " + f[5] + "\n"
		}
	}
	if list != want {
		t.Errorf("contents of %s:\n%swant:\n%s", filepath.Base(deb), list, want)
	}
}
