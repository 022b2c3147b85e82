package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

func TestMain(m *testing.M) {
	if os.Args[0] == fleetlink.Program {
		os.Exit(playFleet())
	}
	os.Exit(m.Run())
}

// playFleet is the main function of a fleet process that does what the name of its member says.
func playFleet() int {
	raw, rawErr := unix.Dup(3) // of the monitor's link
	m, cfg, err := fleetlink.Inherited()
	if err := errors.Join(rawErr, err); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch cfg.Name {
	case "dies":
		fmt.Fprintln(os.Stderr, "it has had enough")
		return 1
	case "raves":
		_, err := unix.Write(raw, []byte("what no honest one says"))
		fmt.Fprintln(os.Stderr, err)
	case "floods":
		for i := range 10_000 {
			m.Message(fmt.Sprint("line ", i))
		}
	case "hangs":
		select {}
	}
	m.Ready()
	m.Quorum(cfg.Name != "alone", "the others do not answer")
	err = m.Run(context.Background(), fleetlink.Handler{
		Link: func(_ fleetlink.Purpose, conn *net.UnixConn) {
			go fleetlink.Serve(context.Background(), conn, firsts{})
		},
		Status: func() fleetlink.Status { return fleetlink.Status{V: 1, Name: cfg.Name, Fleet: fmt.Sprint(os.Getuid())} },
	})
	fmt.Fprintln(os.Stderr, err)
	return 0
}

// firsts implements fleetlink.Claims.
type firsts struct{}

func (firsts) Claim(context.Context, fleetlink.Claim) fleetlink.Answer {
	return fleetlink.Answer{Verdict: fleetlink.First}
}

// A lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A fleetLab is a daemon without a worker that has a fleet process.
type fleetLab struct {
	*daemon
	out *lockedBuffer
	dir string
}

// waitLimit is how long a loaded machine may take.
const waitLimit = time.Minute

const fleetPin = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// member returns the configuration of a member.
func (l *fleetLab) member(name string) string {
	return "ALERTING_METHODS noemail;\nFLEET embedded;\nFLEET_NAME " + name + ";\nFLEET_LISTEN 127.0.0.1:1;\nFLEET_DIR " + l.dir + "/fleet;\n" +
		"FLEET_PEERS " + name + "@127.0.0.1:1/" + fleetPin + ";\nFLEET_CREDENTIALS " + l.dir + "/a.pem;\n"
}

// set writes the configuration of a member, and reads it.
func (l *fleetLab) set(t *testing.T, server string) *setup {
	t.Helper()
	s, problems := prepare(files(t, server, plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	return s
}

// newFleetLab starts a daemon that is a member of that name.
func newFleetLab(t *testing.T, name string) *fleetLab {
	t.Helper()
	if os.Getuid() != 0 {
		netlab.SkipOrFail(t, "not root")
	}
	l := &fleetLab{out: new(lockedBuffer), dir: t.TempDir()}
	program := filepath.Join(l.dir, fleetlink.Program)
	own, err := os.Executable()
	if err == nil {
		err = os.Chmod(filepath.Dir(l.dir), 0o755) // for the user of the process
	}
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, own, program)
	if err := os.WriteFile(filepath.Join(l.dir, "a.pem"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := l.set(t, l.member(name))
	d := newDaemon(files(t, "", plainStanza), s, "1", io.Discard)
	d.o.Test, d.logger = false, newLogger(s.Loaded, l.out, false, "1")
	d.fleet.program = func() (string, error) { return program, nil }
	l.daemon = d
	ctx, cancel := context.WithCancel(t.Context())
	if err := d.openFleet(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-d.fleet.stopped })
	return l
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (l *fleetLab) await(t *testing.T, text string) {
	t.Helper()
	if !wait.Until(waitLimit, func() bool { return strings.Contains(l.out.String(), text) }) {
		t.Fatalf("no %q in\n%s", text, l.out.String())
	}
}

// why returns why there is no quorum.
func (l *fleetLab) why() string {
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	return l.fleet.why
}

// process returns the fleet process that runs; 0 for none.
func (l *fleetLab) process() int {
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	return l.fleet.pid
}

// claim claims over a new link.
func (l *fleetLab) claim() (fleetlink.Answer, error) {
	f, err := l.fleet.open(fleetlink.ForClaims)
	if err != nil {
		return fleetlink.Answer{}, err
	}
	conn, err := fleetlink.Conn(f)
	if err != nil {
		return fleetlink.Answer{}, err
	}
	c := fleetlink.NewClient(conn)
	defer c.Close()
	return c.Claim(context.Background(), fleetlink.Claim{}), nil
}

// The process runs as the worker's user in a directory of its own, is started again when it was
// killed, is replaced when the configuration changes, and ends with the daemon.
func TestFleetProcess(t *testing.T) {
	l := newFleetLab(t, "a")
	l.await(t, "the fleet has a quorum")
	first := l.process()
	if s := l.fleet.status(l.conf().Server); s == nil || !s.Quorum || s.PID != first || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
	s, err := l.fleetStatus(t.Context())
	if err != nil || s.Name != "a" || s.Fleet == "0" {
		t.Errorf("%+v, %v", s, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(l.dir+"/fleet", &st); err != nil || fmt.Sprint(st.Uid) != s.Fleet || st.Mode&0o777 != 0o700 {
		t.Errorf("FLEET_DIR: user %d, mode %o, %v; the process is of %s", st.Uid, st.Mode, err, s.Fleet)
	}
	if a, err := l.claim(); err != nil || a.Verdict != fleetlink.First {
		t.Errorf("%+v, %v", a, err)
	}
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.await(t, "the fleet process ended, it is started again in 1s: signal: killed")
	l.await(t, "the fleet has no quorum: the fleet process does not run; messages are refused")
	l.await(t, "the fleet has a quorum again, after ")
	second := l.process()
	if a, err := l.claim(); second == first || err != nil || a.Verdict != fleetlink.First {
		t.Errorf("then %+v, %v", a, err)
	}
	if p := l.moveFleet(l.set(t, l.member("a"))); p != nil || l.process() != second {
		t.Errorf("replaced for nothing: %v", p)
	}
	if p := l.moveFleet(l.set(t, l.member("alone"))); p != nil {
		t.Error(p)
	}
	wait.For(t, "the other configuration to be used", func() bool { return l.why() == "the others do not answer" })
	if p := l.moveFleet(l.set(t, "ALERTING_METHODS noemail;\n")); p != nil {
		t.Error(p)
	}
	wait.For(t, "the process to end", func() bool { return l.process() == 0 })
	if _, err := l.claim(); err == nil {
		t.Error("a claim without a fleet")
	}
	if p := l.moveFleet(l.set(t, l.member("a"))); p != nil {
		t.Error(p)
	}
	wait.For(t, "a claim", func() bool { a, err := l.claim(); return err == nil && a.Verdict == fleetlink.First })
	last := l.process()
	l.closers[len(l.closers)-1]()
	if err := unix.Kill(last, 0); err != unix.ESRCH {
		t.Errorf("the process outlives the daemon: %v", err)
	}
}

// A process that fails, breaks the protocol or floods the log is said and contained; one that hangs
// does not keep the daemon from its end.
func TestFleetProcessFails(t *testing.T) {
	for name, want := range map[string]string{
		"dies": "it is started again in 1s: it has had enough", "raves": "it broke the protocol and was ended", "floods": "the fleet has a quorum",
	} {
		l := newFleetLab(t, name)
		if name == "floods" {
			wait.For(t, "the flood to be over", func() bool { a, err := l.claim(); return err == nil && a.Verdict == fleetlink.First })
			if n := strings.Count(l.out.String(), "\n"); n > 2*fleetBurst {
				t.Errorf("%d lines are logged", n)
			}
			continue
		}
		l.await(t, want)
	}
	l := newFleetLab(t, "hangs")
	wait.For(t, "the process to start", func() bool { return l.process() != 0 })
	l.closers[len(l.closers)-1]()
}

// A daemon that cannot have its fleet process does not start, and says why.
func TestFleetCannotStart(t *testing.T) {
	l := newFleetLab(t, "a")
	l.await(t, "the fleet has a quorum")
	for name, c := range map[string]struct {
		set  func() error
		want string
	}{
		"a directory of another": {func() error { return os.Chown(l.dir+"/fleet", 12345, 0) }, "belongs to user 12345 and not to WORKER_USER"},
		"a file":                 {func() error { return os.WriteFile(l.dir+"/file", nil, 0o600) }, "not a directory"},
		"no program":             {func() error { l.fleet.program = fleetlink.FindProgram; return nil }, "install the package fwknopd-fleet"},
	} {
		text, program := l.member("a"), l.fleet.program
		if name == "a file" {
			text = strings.Replace(text, l.dir+"/fleet", l.dir+"/file", 1)
		}
		if err := c.set(); err != nil {
			t.Fatal(err)
		}
		if err := l.prepareFleet(l.set(t, text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "no program" {
			continue
		}
		if p := l.moveFleet(l.set(t, text)); p == nil || l.process() == 0 {
			t.Errorf("the process before does not stay: %v", p)
		}
		l.fleet.program = program
	}
}

// FLEET_CREDENTIALS is for root alone.
func TestFleetCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		netlab.SkipOrFail(t, "not root")
	}
	l := &fleetLab{dir: t.TempDir()}
	key := l.dir + "/a.pem"
	for name, c := range map[string]struct {
		set  func() error
		want string
	}{
		"missing":  {func() error { return nil }, "FLEET_CREDENTIALS: lstat " + key + ": no such file"},
		"readable": {func() error { return os.WriteFile(key, []byte("key"), 0o644) }, "may be read or written by others than its owner (mode 0644): chmod 600 " + key},
		"another's": {func() error {
			return errors.Join(os.WriteFile(key, []byte("key"), 0o600), os.Chown(key, 12345, 0))
		}, "belongs to user 12345, not to root"},
		"too long": {func() error { return os.WriteFile(key, make([]byte, 20<<10), 0o600) }, "is larger than"},
		"a folder": {func() error { return os.Mkdir(key, 0o700) }, "is not a regular file"},
		"replaceable": {func() error {
			return errors.Join(os.WriteFile(key, []byte("key"), 0o600), os.Chmod(l.dir, 0o777))
		}, "may be written by others than its owner (mode 0777)"},
	} {
		_, err := os.RemoveAll(key), os.Chmod(l.dir, 0o700)
		if err := errors.Join(err, c.set()); err != nil {
			t.Fatal(err)
		}
		_, problems := prepare(files(t, l.member("a"), plainStanza))
		if !problems.Failed() || !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
