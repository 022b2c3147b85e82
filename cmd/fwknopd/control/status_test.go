package control

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/ownprogram"
)

func TestStatus(t *testing.T) {
	p := newPlace(t, false, "AUTH_MODE KNOCK;")
	code, out, _ := p.run(t, "-S")
	check(t, "code as of 1.9", code, 0)
	if code, _, _ := p.run(t, "-S", "--format", "json"); code != 1 {
		t.Errorf("JSON, nothing runs: code %d", code)
	}
	check(t, "before", out, "[+] knopwatchd pidfile does not exist.\n[+] knopmd pidfile does not exist.\n"+
		"[+] knoptm pidfile does not exist.\n[+] fwknopd pidfile does not exist.\n")

	d := start(t, "", "careless", p.pidFile)
	main, worker := d.Process.Pid, workerOf(d.Process.Pid)
	if worker == 0 || !slices.Contains(childrenOf(main), worker) {
		t.Fatalf("worker %d", worker)
	}
	before := stamp(t, p.pidFile)
	code, out, errs := p.run(t, "-S")
	check(t, "code", code, 0)
	check(t, "errors", errs, "")
	check(t, "running", out, fmt.Sprintf("[+] knopwatchd is running as pid: %d\n[+] knopmd is running as pid: %d\n"+
		"[+] knoptm is running as pid: %d\n[+] fwknopd is running as pid: %d\n", main, worker, main, main))

	code, out, _ = p.run(t, "-S", "--format", "json")
	check(t, "code", code, 0)
	var s state
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if !s.Running || s.PID != main || s.Worker != worker || len(s.Roles) != 4 || s.Roles[1].Name != "knopmd" || s.Roles[1].PID != worker {
		t.Errorf("JSON: %+v", s)
	}
	check(t, "the pid file behind -S", stamp(t, p.pidFile), before)
	if !d.alive() {
		t.Error("-S ended the daemon")
	}

	d.Process.Kill()
	d.Wait()
	code, out, _ = p.run(t, "-S")
	check(t, "code as of 1.9", code, 0)
	check(t, "dead", out, "[+] knopwatchd is not currently running.\n[+] knopmd is not currently running.\n"+
		"[+] knoptm is not currently running.\n[+] fwknopd is not currently running.\n")
}

// stamp returns all attributes of a file that -S could change.
func stamp(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q %v %v %d", text, st.ModTime(), st.Mode(), st.Size())
}

func TestStatusOf26(t *testing.T) {
	p := newPlace(t, true)
	code, out, _ := p.run(t, "--status")
	check(t, "code", code, 1)
	check(t, "before", out, "No running fwknopd detected.\n")
	d := start(t, "", "obedient", p.pidFile)
	code, out, _ = p.run(t, "--status")
	check(t, "code", code, 0)
	check(t, "running", out, fmt.Sprintf("Detected fwknopd is running (pid=%d).\n", d.Process.Pid))
}

// If the server file leaves the dialect open, the stanzas decide it.
func TestStatusOf26ByItsStanzas(t *testing.T) {
	p := newPlace(t, true)
	plain := filepath.Join(p.dir, "test.conf")
	if err := os.Rename(p.conf, plain); err != nil {
		t.Fatal(err)
	}
	p.conf = plain
	stanzas := filepath.Join(p.dir, "access.conf")
	if err := os.WriteFile(stanzas, []byte("SOURCE ANY\nKEY_BASE64 c2l4dGVlbiBsZXR0ZXJzISE=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := p.run(t, "-S", "-a", stanzas)
	check(t, "code", code, 1)
	check(t, "line", out, "No running fwknopd detected.\n")
}

// In capture modes there is no knopmd role; test tools count three lines.
func TestStatusWithoutLogs(t *testing.T) {
	p := newPlace(t, false, "AUTH_MODE PCAP;")
	_, out, _ := p.run(t, "-S")
	check(t, "lines", out, "[+] knopwatchd pidfile does not exist.\n[+] knoptm pidfile does not exist.\n[+] fwknopd pidfile does not exist.\n")
}

// -S works while the configuration has errors.
func TestStatusWithBadConfiguration(t *testing.T) {
	p := newPlace(t, false, "SLEEP_INTERVAL soon;")
	d := start(t, "", "obedient", p.pidFile)
	code, out, errs := p.run(t, "-S")
	check(t, "code", code, 0)
	check(t, "errors", errs, p.conf+":4: SLEEP_INTERVAL: \"soon\" is not a whole number\n")
	check(t, "running", out, fmt.Sprintf("[+] knopwatchd is running as pid: %d\n[+] knoptm is running as pid: %[1]d\n"+
		"[+] fwknopd is running as pid: %[1]d\n", d.Process.Pid))
}

// strangers are processes that a stale pid file may name and that are not the daemon.
// Each comes with a function that has it answer, which it does only if no signal came before.
func strangers(t *testing.T, pidFile string) map[string]func() (answer func()) {
	number := func(pid int) {
		if err := os.WriteFile(pidFile, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(d *played) func() {
		return func() {
			t.Helper()
			d.Process.Signal(syscall.SIGWINCH)
			d.expect(t, "alive\n")
		}
	}
	return map[string]func() func(){
		"number given to another program": func() func() {
			cmd := exec.Command("cat")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			d := run(t, cmd)
			number(cmd.Process.Pid)
			return func() {
				t.Helper()
				io.WriteString(in, "alive\n")
				d.expect(t, "alive\n")
			}
		},
		"number given to another fwknopd": func() func() {
			d := start(t, "", "obedient", filepath.Join(t.TempDir(), "other.pid"))
			number(d.Process.Pid)
			return answer(d)
		},
		"locked by another program": func() func() {
			os.Remove(pidFile)
			return answer(start(t, copied(t), "obedient", pidFile))
		},
	}
}

// copied returns a copy of the test binary under another name.
func copied(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stranger")
	ownprogram.Copy(t, name, 0o700)
	return name
}

func TestStrangersAreLeftAlone(t *testing.T) {
	for _, twoSix := range []bool{false, true} {
		p := newPlace(t, twoSix)
		for name, make := range strangers(t, p.pidFile) {
			t.Run(fmt.Sprintf("%s, 2.6 %v", name, twoSix), func(t *testing.T) {
				answer := make()
				if code, out, _ := p.run(t, "-S"); (code != 1) == twoSix || strings.Contains(out, "is running") {
					t.Errorf("-S: %d\n%s", code, out)
				}
				for _, action := range []string{"-K", "-R"} {
					p.run(t, action)
				}
				answer()
			})
		}
	}
}
