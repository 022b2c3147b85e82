package control

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKill(t *testing.T) {
	for _, how := range []string{"obedient", "careless", "stubborn"} {
		t.Run(how, func(t *testing.T) {
			if how == "stubborn" && testing.Short() {
				t.Skip("waits for SIGKILL")
			}
			t.Parallel()
			p := newPlace(t, false, "AUTH_MODE KNOCK;", "ENABLE_TCP_SERVER Y;", "FIREWALL_TYPE external_cmd;")
			d := start(t, "", how, p.pidFile)
			main, worker := d.Process.Pid, workerOf(d.Process.Pid)
			before := time.Now()
			code, out, errs := p.run(t, "-K")
			took := time.Since(before)
			check(t, "code", code, 0)
			check(t, "errors", errs, "")
			want := ""
			for _, r := range []struct {
				name string
				pid  int
			}{{"knopwatchd", main}, {"knopmd", worker}, {"knoptm", main}, {"fwknop_serv", worker}, {"fwknopd", main}} {
				want += fmt.Sprintf("[+] %s is running (pid: %d), stopping daemon\n", r.name, r.pid)
			}
			check(t, "lines", out, want)
			if d.alive() || !zombie(worker) {
				t.Error("a process is alive")
			}
			if killed := d.Wait() != nil; killed != (how == "stubborn") || killed && took < termWait {
				t.Errorf("killed %v after %v", killed, took)
			}
			if _, err := os.Stat(p.pidFile); !os.IsNotExist(err) {
				t.Errorf("pid file: %v", err)
			}

			code, out, _ = p.run(t, "-K")
			check(t, "code of the second", code, 0)
			if !strings.HasPrefix(out, "[-] pid file "+p.pidFile+" does not exist for knopwatchd\n[-] pid file ") {
				t.Errorf("second: %s", out)
			}
		})
	}
}

func TestKillOfTheDead(t *testing.T) {
	p := newPlace(t, false)
	d := start(t, "", "obedient", p.pidFile)
	d.Process.Kill()
	d.Wait()
	code, out, _ := p.run(t, "-K")
	check(t, "code", code, 0)
	check(t, "lines", out, "[-] knopwatchd is not running\n[-] knoptm is not running\n[-] fwknopd is not running\n")
}

func TestKillOf26(t *testing.T) {
	p := newPlace(t, true)
	code, out, errs := p.run(t, "-K")
	check(t, "code", code, 1)
	check(t, "nothing", out+errs, "No running fwknopd detected.\n")
	d := start(t, "", "obedient", p.pidFile)
	code, out, _ = p.run(t, "-K")
	check(t, "code", code, 0)
	check(t, "line", out, fmt.Sprintf("Killed fwknopd (pid=%d) via SIGTERM\n", d.Process.Pid))
}

// -R starts our own executable with exactly the recorded arguments.
func TestRestart(t *testing.T) {
	p := newPlace(t, false)
	elsewhere := t.TempDir()
	args := []string{"-c", "relative path/fwknop.conf", "--locale", "", "tab\tand\nline"}
	writeRecord(t, p, args, elsewhere, func(pid int) int { return pid })
	d := start(t, "", "obedient", p.pidFile)
	writeRecord(t, p, args, elsewhere, func(int) int { return d.Process.Pid })
	t.Setenv(playEnv, "echo")
	code, out, errs := p.run(t, "-R")
	check(t, "code", code, 0)
	check(t, "errors", errs, "")
	main := d.Process.Pid
	check(t, "lines", out, fmt.Sprintf("[+] knopwatchd is running (pid: %d), stopping daemon\n[+] knoptm is running (pid: %[1]d), stopping daemon\n"+
		"[+] fwknopd is running (pid: %[1]d), stopping daemon\n[+] Restarting fwknop daemons.\n%q in %s\n", main, args, elsewhere))
	if d.alive() {
		t.Error("the old one lives")
	}
}

// writeRecord writes the record of another process.
func writeRecord(t *testing.T, p place, args []string, dir string, pid func(int) int) {
	t.Helper()
	path := filepath.Join(p.dir, "fwknopd.cmd")
	if err := Record(path, args, dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mine := fmt.Sprintf(`"pid":%d,`, os.Getpid())
	if !strings.Contains(string(text), mine) {
		t.Fatalf("record: %s", text)
	}
	theirs := strings.Replace(string(text), mine, fmt.Sprintf(`"pid":%d,`, pid(os.Getpid())), 1)
	if err := os.WriteFile(path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestartWithoutARecord(t *testing.T) {
	p := newPlace(t, false)
	code, _, errs := p.run(t, "-R")
	check(t, "code", code, 1)
	if !strings.Contains(errs, "fwknopd.cmd does not exist") {
		t.Error(errs)
	}
	// The daemon is in the foreground, or the record is that of an earlier one.
	for _, old := range []bool{false, true} {
		d := start(t, "", "obedient", p.pidFile)
		if old {
			writeRecord(t, p, nil, p.dir, func(pid int) int { return pid })
		}
		code, out, _ := p.run(t, "-R")
		check(t, "code", code, 0)
		check(t, "line", out, fmt.Sprintf("[+] fwknopd runs in the foreground (pid: %d), sent it the signal to read its configuration again.\n", d.Process.Pid))
		d.expect(t, "hangup\n")
		p.run(t, "-K")
	}
}

func TestRestartOf26(t *testing.T) {
	p := newPlace(t, true)
	code, out, errs := p.run(t, "-R")
	check(t, "code", code, 1)
	check(t, "nothing", out+errs, "No running fwknopd detected.\n")
	d := start(t, "", "obedient", p.pidFile)
	code, out, _ = p.run(t, "-R")
	check(t, "code", code, 0)
	check(t, "line", out, fmt.Sprintf("Sent restart signal to fwknopd (pid=%d)\n", d.Process.Pid))
	d.expect(t, "hangup\n")
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fwknopd.cmd")
	if err := Record(path, []string{"-c", "a b", "x\n[+] y"}, "/etc"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "file", string(text), fmt.Sprintf("fwknopd -c a b x?[+] y\n{\"pid\":%d,\"args\":[\"-c\",\"a b\",\"x\\n[+] y\"],\"dir\":\"/etc\"}\n", os.Getpid()))
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	for name, spoil := range map[string]func(){
		"others may write":   func() { os.Chmod(path, 0o622) },
		"of the 1.9 daemon":  func() { os.WriteFile(path, []byte("/usr/sbin/fwknopd -c x\n"), 0o600) },
		"a symbolic link":    func() { os.Remove(path); os.Symlink("/etc/passwd", path) },
		"is not there":       func() { os.Remove(path) },
		"a named pipe's end": func() { os.Remove(path); os.Mkdir(path, 0o700) },
	} {
		os.Remove(path)
		if err := Record(path, nil, "/"); err != nil {
			t.Fatal(err)
		}
		spoil()
		if r, err := readRecord(path); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
