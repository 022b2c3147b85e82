package unit

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

const (
	eventLog = "/var/log/fwknop/events.jsonl"
	pidFile  = "/run/fwknop/fwknopd.pid"
)

// upgrade installs the package in place of Debian's fwknop-server, whose configuration its
// administrator has changed, and takes both away again.
func (d *debian) upgrade(t *testing.T, p packages, client *netlab.NS) {
	keys := keygen.Keys{Key: keygen.Base64(32), HMACKey: keygen.Base64(64)}
	server, access := d.configure(t, keys)
	d.in(t, "systemctl", "enable", "fwknop-server.service")
	d.in(t, "apt-get", "-y", "-qq", "install", "/pkg.deb")
	if state := d.in(t, "dpkg-query", "-W", "-f", "${db:Status-Status} ", "fwknop-server", "fwknopd"); state != "config-files installed " {
		t.Fatalf("after the upgrade: %s", state)
	}
	if state := d.in(t, "systemctl", "is-enabled", "fwknopd.service"); state != "enabled\n" {
		t.Errorf("fwknop-server was enabled, fwknopd is %s", state)
	}
	kept := func(when string) {
		t.Helper()
		for name, want := range map[string]string{"fwknopd.conf": server, "access.conf": access} {
			if text, err := os.ReadFile(d.path("/etc/fwknop/" + name)); err != nil || string(text) != want {
				t.Errorf("%s %s has changed: %v", when, name, err)
			}
		}
	}
	kept("after the upgrade")
	d.start(t)
	d.knock(t, p, client, keys)

	d.in(t, "apt-get", "-y", "-qq", "purge", "fwknop-server")
	kept("after the purge of fwknop-server")
	if status := d.in(t, "fwknopd", "-S"); !strings.Contains(status, "is running") {
		t.Errorf("after the purge of fwknop-server: %s", status)
	}
	t.Run("event log", d.readLog)

	d.in(t, "dpkg", "-r", "fwknopd")
	if _, err := os.Stat(d.path(pidFile)); !os.IsNotExist(err) {
		t.Errorf("the daemon has not ended: %v", err)
	}
	if rules := d.in(t, "sh", "-c", "iptables-nft -S; ip6tables-nft -S; iptables-legacy -S"); strings.Contains(rules, "FWKNOP") || strings.Contains(rules, "10.77.0.2") {
		t.Errorf("still open:\n%s", rules)
	}
	kept("after the removal")
	if err := os.WriteFile(d.path("/etc/fwknop/other.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.in(t, "dpkg", "-P", "fwknopd")
	if left := d.traces(t); left != "/etc/fwknop\n" { // with what others put there
		t.Errorf("left behind:\n%s", left)
	}
	if list, err := os.ReadDir(d.path("/etc/fwknop")); err != nil || len(list) != 1 {
		t.Errorf("in /etc/fwknop: %v, %v", list, err)
	}
}

// configure changes the files of fwknop-server and returns their texts.
func (d *debian) configure(t *testing.T, keys keygen.Keys) (server, access string) {
	t.Helper()
	change := func(name string, change func(string) string) string {
		path := d.path("/etc/fwknop/" + name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := change(string(text))
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		return changed
	}
	server = change("fwknopd.conf", func(text string) string {
		return text + "PCAP_INTF " + netlab.ServerIf + ";\nMAX_SPA_PACKET_AGE 600;\nEVENT_LOG_GROUP adm;\n"
	})
	access = change("access.conf", func(text string) string {
		text = strings.Replace(text, "\nKEY_BASE64          __CHANGEME__", "\nKEY_BASE64          "+keys.Key, 1)
		return strings.Replace(text, "\nHMAC_KEY_BASE64     __CHANGEME__", "\nHMAC_KEY_BASE64     "+keys.HMACKey, 1)
	})
	return server, access
}

// start starts the daemon with the groups and capabilities of its service.
func (d *debian) start(t *testing.T) {
	t.Helper()
	d.in(t, "setpriv", "--groups=adm", "--inh-caps=-all", "--bounding-set=-all,+net_admin,+net_raw,+net_bind_service,+setuid,+setgid,+kill", "fwknopd")
	d.endsDaemon(t, "the removal should have ended it")
}

// endsDaemon ends the daemon of the root, which runs now, if the test leaves it behind.
func (d *debian) endsDaemon(t *testing.T, why string) {
	t.Helper()
	text, err := os.ReadFile(d.path(pidFile))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && strings.HasPrefix(exe, d.root) {
			t.Errorf("the daemon still runs: %s", why)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// knock has the client of the other package ask for a port until it is open.
func (d *debian) knock(t *testing.T, p packages, client *netlab.NS, keys keygen.Keys) {
	t.Helper()
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", p.clientDeb, dir)
	knock := fmt.Sprintf("%s -A tcp/22 -a 10.77.0.2 -D 10.77.0.1 --no-rc-file --no-home-dir --use-hmac --key-base64-rijndael %s --key-base64-hmac %s",
		filepath.Join(dir, "usr/bin/fwknop"), keys.Key, keys.HMACKey)
	wait.For(t, "a grant", func() bool {
		client.Run(t, knock)
		return strings.Contains(d.in(t, "fwknopd", "grants", "list"), "10.77.0.2")
	})
}

// readLog reads the event log as a user in EVENT_LOG_GROUP and as another one, also after a
// rotation.
func (d *debian) readLog(t *testing.T) {
	read := func(name string, groups ...string) error {
		_, err := d.try(d.net.Command, append(append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup"}, groups...), "cat", name)...)
		return err
	}
	check := func(name string) {
		t.Helper()
		if err := read(name, "--groups=adm"); err != nil {
			t.Errorf("the group cannot read %s: %v", name, err)
		}
		if read(name, "--clear-groups") == nil {
			t.Errorf("everybody can read %s", name)
		}
	}
	check(eventLog)
	d.in(t, "logrotate", "-f", "/etc/logrotate.d/fwknopd")
	wait.For(t, "the log after its rotation", func() bool { _, err := os.Stat(d.path(eventLog)); return err == nil })
	wait.For(t, "the group of the new log", func() bool { return read(eventLog, "--groups=adm") == nil })
	check(eventLog)
	check(eventLog + ".1")
}
