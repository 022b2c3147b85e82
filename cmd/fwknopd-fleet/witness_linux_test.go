package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A witnessHost is the host of a witness, with the configuration file of one and a service manager.
type witnessHost struct {
	*member
	file    string
	manager *net.UnixConn
	errs    netlab.Output
}

// newWitness makes the host of a member that is to be a witness.
func newWitness(t *testing.T, m *member) *witnessHost {
	dir := t.TempDir()
	w := &witnessHost{member: m, file: filepath.Join(dir, "witness.conf")}
	m.cfg.Dir = filepath.Join(dir, "fleet")
	text := fmt.Sprintf("FLEET embedded;\nFLEET_NAME %s;\nFLEET_LISTEN %v;\nFLEET_CREDENTIALS %s/key.pem;\nFLEET_DIR %s;\n"+
		"WORKER_USER nobody;\nFWKNOP_RUN_DIR %[3]s/run;\nFLEET_PEERS", m.cfg.Name, m.cfg.Listen, dir, m.cfg.Dir)
	for _, p := range m.cfg.Peers {
		text += fmt.Sprintf(" %s@%v/%s", p.Name, p.Address, p.Pin)
	}
	var err error
	for _, set := range []func() error{
		func() error { return os.Chmod(filepath.Dir(dir), 0o755) }, // for the user of the witness
		func() error { return os.WriteFile(w.file, []byte(text+";\n"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(dir, "key.pem"), m.cfg.Credentials, 0o600) },
		func() error {
			w.manager, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
			return err
		},
		func() error { return os.Chmod(filepath.Join(dir, "notify"), 0o666) },
	} {
		if err := set(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { w.manager.Close() })
	return w
}

// command is a command of the program on the host of the witness.
func (w *witnessHost) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(self, append(args, "-c", w.file)...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "NOTIFY_SOCKET="+filepath.Join(filepath.Dir(w.file), "notify"))
	return cmd
}

// start starts the witness, which a test ends with stop.
func (w *witnessHost) start() {
	w.cmd = w.command("witness")
	w.cmd.Stderr = &w.errs
	var err error
	w.ns.Do(func() { err = w.cmd.Start() })
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	w.told("READY=1")
}

// told waits for what the service manager is told.
func (w *witnessHost) told(want string) {
	w.t.Helper()
	buf := make([]byte, 4096)
	_ = w.manager.SetReadDeadline(time.Now().Add(wait.Timeout))
	for {
		n, err := w.manager.Read(buf)
		if err != nil {
			w.t.Fatalf("no %s: %v\n%s", want, err, w.errs.String())
		}
		if strings.Contains(string(buf[:n]), want) {
			return
		}
	}
}

// asked returns what `fleet status` prints for a user, and its exit code.
func (w *witnessHost) asked(uid uint32) (text string, code int) {
	cmd := w.command("status")
	cmd.Path = "/proc/self/exe" // the folder of the test's program is for root alone
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// TestE2EWitness: of two gateways and a witness either gateway claims with the witness alone. The witness is of its
// user, confined, and asked by root.
func TestE2EWitness(t *testing.T) {
	netlab.Need(t, "mount")
	t.Parallel()
	all := threeMembers(t)
	w := newWitness(t, all[2])
	if text, code := w.asked(0); code != exitError || !strings.Contains(text, "neither a daemon nor a witness runs here") {
		t.Errorf("%d: %s", code, text)
	}
	w.start()
	for _, m := range all[:2] {
		m.cfg.Dir = smallDisk(t)
		m.start()
		t.Cleanup(func() { m.signal(syscall.SIGKILL) })
	}
	for _, m := range all[:2] {
		m.ready()
	}
	w.told("STATUS=the fleet has a quorum")
	w.confined()
	text, code := w.asked(0)
	for _, want := range []string{"this member is gw3", "quorum:   yes", "on 3 members", "this one, ", "witness"} {
		if code != exitOK || !strings.Contains(text, want) {
			t.Errorf("%d, no %q in %s", code, want, text)
		}
	}
	if text, code := w.asked(12345); code != exitError || !strings.Contains(text, "run as root") {
		t.Errorf("%d: %s", code, text)
	}

	if a := all[0].claim("one"); a.Verdict != fleetlink.First {
		t.Errorf("%+v", a)
	}
	all[0].signal(syscall.SIGKILL)
	all[1].ready()
	if a := all[1].claim("one"); a.Verdict != fleetlink.Taken || a.By != "gw1" {
		t.Errorf("%+v", a)
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	w.told("STOPPING=1")
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, w.errs.String())
	}
	if a := all[1].claim("two"); a.Verdict != fleetlink.Unavailable {
		t.Errorf("alone: %+v", a)
	}
}

// confined checks what the process of the witness is.
func (w *witnessHost) confined() {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, want := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nGroups:\t \n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n", "\nCapPrm:\t0000000000000000\n"} {
		if !strings.Contains(string(text), want) {
			w.t.Errorf("no %q in\n%s", want, text)
		}
	}
}
