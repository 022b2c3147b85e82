package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/wait"
)

// External commands with shell syntax are refused at start, and with EXTERNAL_CMD_SHELL
// they work as in the 1.9 daemon.
func TestE2EExternalShell(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	text, err := os.ReadFile("../../fixtures/cases/suite26/f22-external-cmd-shell/access.conf")
	if err != nil {
		t.Fatal(err)
	}
	access := strings.ReplaceAll(string(text), "/tmp/e/", s.dir+"/")
	s.write("access.conf", access)
	s.write("fwknop.conf", fmt.Sprintf("PCAP_INTF srv0;\nFIREWALL_TYPE external_cmd;\nFWKNOP_DIR %[1]s/log;\nFWKNOP_LIB_DIR %[1]s/lib;\nFWKNOP_RUN_DIR %[1]s/run;\n", s.dir))
	args := []string{"-f", "-c", filepath.Join(s.dir, "fwknop.conf"), "-a", filepath.Join(s.dir, "access.conf")}
	out, code := s.command(args...)
	if code != 78 || !strings.Contains(out, "EXTERNAL_CMD_SHELL Y") {
		t.Errorf("the start without a shell: %d %s", code, out)
	}
	s.write("access.conf", access+"EXTERNAL_CMD_SHELL: Y;\n")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = s.Server.Command(bin, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	s.waitFor("at work")
	client := s.Client.Command("fwknop", "-A", "tcp/22", "-a", s.Client.V4.String(), "-D", s.Server.V4.String(), "--key-rijndael", "fwknoptest",
		"-M", "legacy", "--no-save-args")
	client.Env = append(os.Environ(), "HOME="+s.dir)
	if out, err := client.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, what := range []string{"open", "close"} {
		file, want := filepath.Join(s.dir, "spa."+what), fmt.Sprintf("%s %s\n", s.Client.V4, what)
		if !wait.Until(wait.Timeout, func() bool { got, _ := os.ReadFile(file); return string(got) == want }) {
			got, err := os.ReadFile(file)
			t.Errorf("%s: %q, %v\n%s", what, got, err, s.out.String())
		}
	}
}
