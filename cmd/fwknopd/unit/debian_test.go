package unit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// debian is the root file system of a minimal installation of Debian stable.
func debian(t *testing.T) (root string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "root")
	out, err := exec.Command("debootstrap", "--variant=minbase", "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
		"trixie", root, "http://deb.debian.org/debian").CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		netlab.SkipOrFail(t, "cannot make a Debian root: "+lines[len(lines)-1])
	}
	return root
}

// The package can be installed on a stock Debian, works, and is removed without leaving
// anything.
func TestPackageOnDebian(t *testing.T) {
	netlab.Need(t, "debootstrap", "chroot", "dpkg-deb", "git", "gzip")
	if _, err := os.Stat("/usr/share/keyrings/debian-archive-keyring.gpg"); err != nil {
		netlab.SkipOrFail(t, "needs debian-archive-keyring")
	}
	deb := build(t)
	root := debian(t)
	in := func(argv ...string) string {
		t.Helper()
		return run(t, "chroot", append([]string{root, "env", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, argv...)...)
	}
	// The manual page of a package of the base system, and ours.
	const pamPage = "/usr/share/man/man5/access.conf.5.gz" // of libpam-modules or libpam-runtime
	if owner := in("dpkg", "-S", pamPage); !strings.HasPrefix(owner, "libpam-") {
		t.Errorf("access.conf(5) belongs to %s", owner)
	}
	text, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "fwknopd.deb"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb)) {
		if name := strings.Fields(line)[5]; !strings.HasSuffix(name, "/") {
			files = append(files, strings.TrimPrefix(name, "."))
		}
	}
	for range 2 { // once more after a purge
		in("dpkg", "-i", "/fwknopd.deb")
		if status := in("dpkg-query", "-W", "-f", "${Status}", "fwknopd"); status != "install ok installed" {
			t.Errorf("status after the installation: %s", status)
		}
		if bad := in("dpkg", "--verify", "fwknopd", "libpam-modules", "libpam-runtime"); bad != "" {
			t.Errorf("verify: %s", bad)
		}
		for _, name := range files {
			if owner := in("dpkg", "-S", name); owner != "fwknopd: "+name+"\n" {
				t.Errorf("%s belongs to %s", name, owner)
			}
		}
		if version := in("fwknopd", "-V"); !strings.HasPrefix(version, "[+] fwknopd v") {
			t.Errorf("version: %s", version)
		}
		in("dpkg", "-r", "fwknopd")
		in("dpkg", "-P", "fwknopd")
		for _, name := range files {
			if _, err := os.Lstat(filepath.Join(root, name)); !os.IsNotExist(err) {
				t.Errorf("%s is left behind: %v", name, err)
			}
		}
		if audit := in("dpkg", "--audit"); audit != "" {
			t.Errorf("audit: %s", audit)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, pamPage)); err != nil {
		t.Errorf("the page of PAM: %v", err)
	}
}
