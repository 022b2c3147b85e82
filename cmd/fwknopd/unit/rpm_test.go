package unit

import (
	"os"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// rpmContents lists what the package for RPM distributions has in other places than that for
// Debian.
var rpmContents = strings.NewReplacer(
	"./usr/share/zsh/vendor-completions/", "/usr/share/zsh/site-functions/",
	"./usr/share/doc/fwknopd/copyright", "/usr/share/licenses/fwknopd/LICENSE",
	"./usr/share/doc/fwknopd-client/copyright", "/usr/share/licenses/fwknopd-client/LICENSE",
	"./etc/fwknop/", "/etc/fwknop", "./", "/")

// The packages for RPM distributions hold the same files.
func TestRPM(t *testing.T) {
	netlab.Need(t, "rpm", "git", "gzip")
	p := build(t)
	for file, want := range map[string]string{
		p.rpm:       rpmContents.Replace(contents),
		p.clientRPM: rpmContents.Replace(clientContents),
	} {
		list := make(map[string]bool)
		for line := range strings.Lines(run(t, "rpm", "-qp", "--qf", `[%{FILEMODES:perms} %{FILENAMES}\n]`, file)) {
			if !strings.HasPrefix(line, "drwxr-xr-x") {
				list[line] = true
			}
		}
		for line := range strings.Lines(want) {
			if !list[line] {
				t.Errorf("%s lacks %s", file, line)
			}
			delete(list, line)
		}
		if len(list) > 0 {
			t.Errorf("%s has too much: %v", file, list)
		}
	}
	for query, want := range map[string]string{
		"--requires": "/bin/sh", "--conflicts": "fwknop", "--recommends": "nftables", "-c": "/etc/logrotate.d/fwknopd",
		"--qf=%{BUILDHOST} %{LICENSE}": "localhost Apache-2.0",
	} {
		if got := strings.TrimSpace(run(t, "rpm", "-qp", query, p.rpm)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// redHat installs the package for RPM distributions: its scripts run in the root, which stands
// for another distribution.
func (d *debian) redHat(t *testing.T, p packages) {
	netlab.Need(t, "rpm")
	rpm := func(args ...string) string {
		t.Helper()
		return run(t, "rpm", append([]string{"--root=" + d.root, "--dbpath=/var/lib/rpm"}, args...)...)
	}
	rpm("-i", "--nodeps", "--ignoreos", p.rpm)
	if bad := rpm("-V", "--nodeps", "fwknopd"); bad != "" {
		t.Errorf("verify: %s", bad)
	}
	if user := d.in(t, "getent", "passwd", "fwknopd"); !strings.Contains(user, ":fwknopd worker:/nonexistent:") {
		t.Errorf("user: %s", user)
	}
	d.in(t, "systemctl", "enable", "fwknopd.service")
	rpm("-e", "--nodeps", "fwknopd")
	for _, name := range []string{"/usr/sbin/fwknopd", "/etc/logrotate.d/fwknopd", "/etc/systemd/system/multi-user.target.wants/fwknopd.service"} {
		if _, err := os.Lstat(d.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", name, err)
		}
	}
}
