package unit

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// contents lists all files of the package with their modes.
const contents = `-rw-r--r-- ./etc/logrotate.d/fwknopd
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
-rw-r--r-- ./usr/share/doc/fwknopd/examples/integration/vector/vector.toml
-rw-r--r-- ./usr/share/fish/vendor_completions.d/fwknopd.fish
-rw-r--r-- ./usr/share/man/man5/fwknop-access.conf.5.gz
-rw-r--r-- ./usr/share/man/man5/fwknop.conf.5.gz
-rw-r--r-- ./usr/share/man/man5/fwknopd-events.5.gz
-rw-r--r-- ./usr/share/man/man8/fwknopd.8.gz
-rw-r--r-- ./usr/share/zsh/vendor-completions/_fwknopd
`

// clientContents lists all files of the client's package with their modes.
const clientContents = `-rwxr-xr-x ./usr/bin/fwknop
-rw-r--r-- ./usr/share/bash-completion/completions/fwknop
-rw-r--r-- ./usr/share/doc/fwknopd-client/copyright
-rw-r--r-- ./usr/share/fish/vendor_completions.d/fwknop.fish
-rw-r--r-- ./usr/share/man/man8/fwknop.8.gz
-rw-r--r-- ./usr/share/zsh/vendor-completions/_fwknop
`

func TestPackage(t *testing.T) {
	netlab.Need(t, "dpkg-deb", "dpkg", "git", "gzip")
	deb := build(t)
	checkContents(t, deb, contents)
	client := strings.Replace(deb, "/fwknopd_", "/fwknopd-client_", 1)
	checkContents(t, client, clientContents)
	if got := run(t, "dpkg-deb", "-f", client, "Conflicts"); got != "fwknop-client\n" {
		t.Errorf("Conflicts of the client: %s", got)
	}
	if got := run(t, "dpkg-deb", "-f", deb, "Conflicts"); got != "fwknop-server, fwknop-apparmor-profile\n" {
		t.Errorf("Conflicts: %s", got)
	}
	again := build(t)
	if filepath.Base(deb) != filepath.Base(again) || sum(t, deb) != sum(t, again) || sum(t, materials(deb)) != sum(t, materials(again)) {
		t.Errorf("a second build differs: %s, %s", deb, again)
	}
	root := install(t, deb)
	t.Run("materials", func(t *testing.T) { checkMaterials(t, deb, filepath.Join(root, "usr/sbin/fwknopd")) })
	t.Run("program", func(t *testing.T) { program(t, root) })
	t.Run("samples", func(t *testing.T) { samples(t, root) })
	t.Run("user", func(t *testing.T) {
		if _, err := exec.LookPath("systemd-sysusers"); err != nil {
			t.Skip("no systemd-sysusers")
		}
		users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
		if err != nil || !bytes.Contains(users, []byte("fwknopd:x:")) || !bytes.Contains(users, []byte(":/nonexistent:/usr/sbin/nologin")) {
			t.Errorf("passwd: %s, %v", users, err)
		}
	})
}

// checkContents compares the files of a package and their modes with want.
func checkContents(t *testing.T, deb, want string) {
	t.Helper()
	list := ""
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line)
		if f[1] != "root/root" {
			t.Errorf("owner: %s", line)
		}
		if !strings.HasSuffix(f[5], "/") {
			list += f[0] + " " + f[5] + "\n"
		}
	}
	if list != want {
		t.Errorf("contents of %s:\n%swant:\n%s", filepath.Base(deb), list, want)
	}
}

// build builds the package in a temporary directory.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "./package", dir)
	found, err := filepath.Glob(filepath.Join(dir, "fwknopd_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %q, %v", found, err)
	}
	return found[0]
}

// materials returns the name of the bill of materials of a package.
func materials(deb string) string { return strings.TrimSuffix(deb, ".deb") + ".cdx.json" }

// checkMaterials compares the bill of materials with what the linker recorded.
func checkMaterials(t *testing.T, deb, program string) {
	text, err := os.ReadFile(materials(deb))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.Format != "CycloneDX" {
		t.Fatalf("format %q, %v", bill.Format, err)
	}
	var listed, linked []string
	for _, c := range bill.Components {
		if c.Name != "std" {
			listed = append(listed, c.Name+" "+c.Version)
		}
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		linked = append(linked, m.Path+" "+m.Version)
	}
	slices.Sort(listed)
	slices.Sort(linked)
	if len(linked) == 0 || !slices.Equal(listed, linked) {
		t.Errorf("listed %q, linked %q", listed, linked)
	}
}

// install unpacks the package into an empty root directory.
func install(t *testing.T, deb string) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "dpkg", "--root="+root, "--force-script-chrootless", "--log="+filepath.Join(root, "log"), "-i", deb)
	if got := run(t, "dpkg", "--root="+root, "--verify", "fwknopd"); got != "" {
		t.Errorf("verify: %s", got)
	}
	return root
}

func program(t *testing.T, root string) {
	version := run(t, filepath.Join(root, "usr/sbin/fwknopd"), "-V")
	if !strings.HasPrefix(version, "[+] fwknopd v") || strings.Contains(version, "unknown") {
		t.Errorf("version: %s", version)
	}
	page := run(t, "gzip", "-dc", filepath.Join(root, "usr/share/man/man8/fwknopd.8.gz"))
	if !strings.Contains(page, ".Dt FWKNOPD 8") {
		t.Errorf("man page: %.200s", page)
	}
}

// samples checks that the sample files are refused until they have keys, and then valid.
func samples(t *testing.T, root string) {
	examples := filepath.Join(root, "usr/share/doc/fwknopd/examples")
	text, err := os.ReadFile(filepath.Join(examples, "access.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nKEY_BASE64: @KEY@;\n", "\nHMAC_KEY_BASE64: @HMAC_KEY@;\n", "fwknopd --key-gen"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	fwknopd := filepath.Join(root, "usr/sbin/fwknopd")
	access := filepath.Join(t.TempDir(), "access.conf")
	check := func() error {
		if err := os.WriteFile(access, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(fwknopd, "check", "-c", filepath.Join(examples, "fwknop.conf"), "-a", access).CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	if check() == nil {
		t.Error("a stanza without a key is valid")
	}
	for line := range strings.Lines(run(t, fwknopd, "--key-gen")) {
		name, key, _ := strings.Cut(strings.TrimSpace(line), "_BASE64: ")
		text = bytes.ReplaceAll(text, []byte("@"+name+"@"), []byte(key))
	}
	if err := check(); err != nil {
		t.Error(err)
	}
}

// systemd accepts the unit, which has Type=notify.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("fwknopd.service")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("\nType=notify\n")) {
		t.Error("not Type=notify")
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze")
	}
	unit := filepath.Join(t.TempDir(), "fwknopd.service")
	self, err := os.Executable() // any program that exists
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("ExecStart=/usr/sbin/fwknopd"), []byte("ExecStart="+self))
	if err := os.WriteFile(unit, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte(unit)) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &errs)
	}
	return string(out)
}

func sum(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}
