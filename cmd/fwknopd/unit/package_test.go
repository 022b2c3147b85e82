package unit

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// The packages hold what they shall, and the daemon's is unpacked and works.
func TestPackage(t *testing.T) {
	netlab.Need(t, "dpkg-deb", "dpkg", "git", "gzip")
	p := build(t)
	checkContents(t, p.deb, contents)
	checkContents(t, p.clientDeb, clientContents)
	checkContents(t, p.fleetDeb, fleetContents)
	if got := run(t, "dpkg-deb", "-f", p.fleetDeb, "Depends"); got != "fwknopd\n" {
		t.Errorf("the package of the fleet process depends on %s", got)
	}
	for field, want := range map[string]string{
		"Conflicts": "fwknop-server, fwknop-apparmor-profile", "Replaces": "fwknop-server", "Provides": "fwknop-server",
	} {
		if got := run(t, "dpkg-deb", "-f", p.deb, field); got != want+"\n" {
			t.Errorf("%s: %s", field, got)
		}
		if got := run(t, "dpkg-deb", "-f", p.clientDeb, field); got != "fwknop-client\n" {
			t.Errorf("%s of the client: %s", field, got)
		}
	}
	root := install(t, p.deb)
	t.Run("materials", func(t *testing.T) {
		checkMaterials(t, p.materials, filepath.Join(root, "usr/sbin/fwknopd"), "uplot 1.6.32")
	})
	t.Run("materials of the fleet process", func(t *testing.T) {
		run(t, "dpkg-deb", "-x", p.fleetDeb, root)
		checkMaterials(t, p.fleetMaterials, filepath.Join(root, "usr/sbin/fwknopd-fleet"))
	})
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

// checkMaterials compares the bill of materials with what the linker recorded, and what the
// program embeds.
func checkMaterials(t *testing.T, bom, program string, embedded ...string) {
	text, err := os.ReadFile(bom)
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
	linked = append(linked, embedded...)
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
	if !bytes.Contains(text, []byte("\nRuntimeDirectoryPreserve=yes\n")) {
		t.Error("systemctl restart removes /run/fwknop, with the seen messages of a 2.6 file in it")
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
