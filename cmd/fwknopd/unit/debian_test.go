package unit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// A debian is the root of a minimal installation of Debian stable, whose processes have a
// network of their own.
type debian struct {
	root string
	net  *netlab.NS
}

// inRoot mounts what programs need, for its command alone.
const inRoot = `mount -t proc proc "$0/proc" && exec chroot "$0" env -i LC_ALL=C DEBIAN_FRONTEND=noninteractive \
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"`

// What the roots have beside the base system: nothing that our packages depend on.
const included = "netcat-openbsd,nftables"

// newDebian unpacks a root, whose processes are to have the network of ns.
func newDebian(t *testing.T, ns *netlab.NS) *debian {
	t.Helper()
	netlab.Need(t, "dpkg-deb", "git", "gzip")
	return &debian{root: netlab.DebianRoot(t, included), net: ns}
}

// in runs a command in the root; it fails the test if the command fails.
func (d *debian) in(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := d.try(d.net.Command, argv...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return out
}

// try runs a command in the root, started by command, and returns all that it prints. What
// goes on in the background does not hold it.
func (d *debian) try(command func(string, ...string) *exec.Cmd, argv ...string) (string, error) {
	printed, err := os.CreateTemp(d.root+"/tmp", "printed")
	if err != nil {
		return "", err
	}
	defer printed.Close()
	cmd := command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", inRoot, d.root}, argv...)...)
	cmd.Stdout, cmd.Stderr = printed, printed
	err = cmd.Run()
	text, err2 := os.ReadFile(printed.Name())
	if err2 != nil {
		return "", err2
	}
	return string(text), err
}

// path returns the name of a file of the root outside of it.
func (d *debian) path(name string) string { return filepath.Join(d.root, name) }

// copyIn copies a file into the root.
func (d *debian) copyIn(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(d.path(to), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// traces returns what is left of the package: files, lines of users, diversions.
func (d *debian) traces(t *testing.T) string {
	t.Helper()
	return d.in(t, "sh", "-c", `find / -xdev \( -path /proc -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache \) -prune -o -iname '*fwknop*' -print
grep -H fwknop /etc/passwd /etc/group /etc/shadow /etc/gshadow
dpkg-divert --list '*fwknop*'; dpkg-query -W -f '${Package} ${Status}\n' '*fwknop*' 2>/dev/null | grep -v ' unknown ok not-installed$' | grep -v libfko; true`)
}

// The package can be installed on a stock Debian without systemd, owns its files beside those
// of the base system, works, and is purged without leaving anything.
func (d *debian) stock(t *testing.T, p packages) {
	// The manual page of a package of the base system, and ours.
	const pamPage = "/usr/share/man/man5/access.conf.5.gz" // of libpam-modules or libpam-runtime
	if owner := d.in(t, "dpkg", "-S", pamPage); !strings.HasPrefix(owner, "libpam-") {
		t.Errorf("access.conf(5) belongs to %s", owner)
	}
	for range 2 { // once more after a purge
		d.in(t, "dpkg", "-i", "/pkg.deb")
		if status := d.in(t, "dpkg-query", "-W", "-f", "${Status}", "fwknopd"); status != "install ok installed" {
			t.Errorf("status after the installation: %s", status)
		}
		if bad := d.in(t, "dpkg", "--verify", "fwknopd", "libpam-modules", "libpam-runtime"); bad != "" {
			t.Errorf("verify: %s", bad)
		}
		for line := range strings.Lines(contents) {
			name := strings.TrimSuffix(strings.TrimPrefix(strings.Fields(line)[1], "."), "/")
			if owner := d.in(t, "dpkg", "-S", name); owner != "fwknopd: "+name+"\n" {
				t.Errorf("%s belongs to %s", name, owner)
			}
		}
		if user := d.in(t, "getent", "passwd", "fwknopd"); !strings.HasSuffix(user, ":fwknopd worker:/nonexistent:/usr/sbin/nologin\n") {
			t.Errorf("user: %s", user)
		}
		if version := d.in(t, "fwknopd", "-V"); !strings.HasPrefix(version, "[+] fwknopd v") {
			t.Errorf("version: %s", version)
		}
		d.in(t, "dpkg", "-r", "fwknopd")
		d.in(t, "dpkg", "-P", "fwknopd")
		if left := d.traces(t); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
		if audit := d.in(t, "dpkg", "--audit"); audit != "" {
			t.Errorf("audit: %s", audit)
		}
	}
	if _, err := os.Lstat(d.path(pamPage)); err != nil {
		t.Errorf("the page of PAM: %v", err)
	}
}

// The package of the fleet process finds its commands and its user, and is purged with what it has stored.
func (d *debian) fleet(t *testing.T) {
	d.in(t, "dpkg", "-i", "/pkg.deb", "/fleet.deb")
	lines := d.in(t, "fwknopd", "fleet", "init", "--out", "/root/fleet", "gw1=10.0.0.1:4223", "witness=10.0.0.3:4223")
	if strings.Count(lines, "FLEET_PEERS") != 2 {
		t.Errorf("fleet init: %s", lines)
	}
	if out, err := d.try(d.net.Command, "fwknopd", "fleet", "status"); err == nil || !strings.Contains(out, "FLEET is not set") {
		t.Errorf("fleet status: %v, %s", err, out)
	}
	d.in(t, "install", "-d", "-o", "fwknopd", "-m", "700", "/var/lib/fwknop-fleet/jetstream") // as the daemon does
	d.in(t, "dpkg", "-P", "fwknopd-fleet", "fwknopd")
	if left := d.traces(t); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// One root serves all tests of the packages on Debian, one after the other.
func TestPackageOnDebian(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	d := newDebian(t, lab.Server)
	p := build(t)
	d.copyIn(t, p.deb, "/pkg.deb")
	d.copyIn(t, "/etc/resolv.conf", "/etc/resolv.conf")
	d.copyIn(t, p.fleetDeb, "/fleet.deb")
	t.Run("stock", func(t *testing.T) { d.stock(t, p) })
	t.Run("fleet", d.fleet)
	if out, err := d.try(exec.Command, "sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends fwknop-server logrotate"); err != nil {
		netlab.SkipOrFail(t, fmt.Sprintf("cannot install fwknop-server: %v\n%s", err, out))
	}
	t.Run("upgrade", func(t *testing.T) { d.upgrade(t, p, lab.Client) })
	t.Run("rpm", func(t *testing.T) { d.redHat(t, p) })
}
