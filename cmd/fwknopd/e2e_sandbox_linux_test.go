package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// An attackable is what an attack finds in a worker.
type attackable struct {
	log, capture *os.File
	path         string // of log
	monitor      int    // its pid
}

// An attack is something that a worker must not be able to do. try returns nil if it
// could.
type attack struct {
	name string
	try  func() error
}

// call returns an attack that is one system call.
func call(name string, number uintptr, args ...uintptr) attack {
	return attack{name, func() error {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
			return errno
		}
		return nil
	}}
}

// attacks are the attacks of the hostile worker.
func attacks(on attackable) []attack {
	monitor := uintptr(on.monitor)
	log, capture := descriptor(on.log), descriptor(on.capture)
	root := pointer("/")
	return append(fileAttacks(on),
		attack{"run a program", func() error { return exec.Command("/bin/true").Run() }},
		attack{"exec", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
		call("execveat", unix.SYS_EXECVEAT, 0, uintptr(root), 0, 0, 0),
		attack{"fork", fork},
		call("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		call("setns", unix.SYS_SETNS, log, 0),
		call("ptrace the monitor", unix.SYS_PTRACE, unix.PTRACE_ATTACH, monitor),
		call("ptrace itself", unix.SYS_PTRACE, unix.PTRACE_TRACEME),
		call("process_vm_readv", unix.SYS_PROCESS_VM_READV, uintptr(os.Getpid())),
		call("process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, uintptr(os.Getpid())),
		call("pidfd_open", unix.SYS_PIDFD_OPEN, uintptr(os.Getpid())),
		call("kill itself", unix.SYS_KILL, uintptr(os.Getpid()), 0),
		call("kill all", unix.SYS_KILL, ^uintptr(0), 0),
		call("tgkill the monitor", unix.SYS_TGKILL, monitor, monitor, 0),
		call("io_uring", unix.SYS_IO_URING_SETUP, 1),
		call("bpf", unix.SYS_BPF),
		call("userfaultfd", unix.SYS_USERFAULTFD, 0),
		call("perf_event_open", unix.SYS_PERF_EVENT_OPEN),
		call("add_key", unix.SYS_ADD_KEY),
		call("keyctl", unix.SYS_KEYCTL),
		call("mount", unix.SYS_MOUNT),
		call("chroot", unix.SYS_CHROOT, uintptr(root)),
		call("memfd_create", unix.SYS_MEMFD_CREATE, uintptr(root)),
		call("seccomp", unix.SYS_SECCOMP, 0, 1),
		call("personality", unix.SYS_PERSONALITY, 0x0400000),
		call("raise a limit", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, 0, 0),
		attack{"dump core", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
		attack{"become root", func() error { return unix.Setresuid(0, 0, 0) }},
		// sockets
		socket("unix", unix.AF_UNIX, unix.SOCK_STREAM), socket("tcp", unix.AF_INET, unix.SOCK_STREAM), socket("udp", unix.AF_INET6, unix.SOCK_DGRAM),
		socket("netlink", unix.AF_NETLINK, unix.SOCK_RAW), socket("packet", unix.AF_PACKET, unix.SOCK_RAW), socket("alg", unix.AF_ALG, unix.SOCK_SEQPACKET),
		attack{"socketpair", func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }},
		attack{"capture elsewhere", func() error { return unix.Bind(int(capture), &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: 1}) }},
		attack{"capture of others", func() error {
			return unix.SetsockoptPacketMreq(int(capture), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: 1, Type: unix.PACKET_MR_PROMISC})
		}},
		attack{"capture without a filter", func() error { return unix.SetsockoptInt(int(capture), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) }},
		attack{"send a frame", func() error {
			return unix.Sendto(int(capture), make([]byte, 60), 0, &unix.SockaddrLinklayer{Ifindex: 1})
		}},
		attack{"write a frame", func() error {
			if n, err := unix.Write(int(capture), make([]byte, 60)); n > 0 || err != nil {
				return err
			}
			return unix.EPERM // nothing was sent
		}},
		attack{"connect", func() error { return unix.Connect(int(capture), &unix.SockaddrInet4{Port: 9}) }},
		call("listen", unix.SYS_LISTEN, capture, 1),
		call("interface down", unix.SYS_IOCTL, capture, unix.SIOCSIFFLAGS, uintptr(root)),
		call("type for a terminal", unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(root)),
		// memory
		attack{"code in memory", func() error {
			_, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		}},
		attack{"memory to code", func() error {
			b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
			return errors.Join(err, unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC))
		}},
		attack{"ring of the capture", func() error {
			_, err := unix.Mmap(int(capture), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		}},
		attack{"memory of a file", func() error {
			_, err := unix.Mmap(int(log), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
			return err
		}},
	)
}

// fileAttacks are those on files.
func fileAttacks(on attackable) []attack {
	log := descriptor(on.log)
	dir := filepath.Dir(on.path)
	list := []attack{
		call("ftruncate", unix.SYS_FTRUNCATE, log, 0),
		call("fallocate", unix.SYS_FALLOCATE, log, 0, 0, 1),
		call("descriptor flags", unix.SYS_FCNTL, log, unix.F_SETFL, unix.O_APPEND),
		call("record lock", unix.SYS_FCNTL, log, unix.F_SETLK, uintptr(pointer("/"))),
		call("signal owner", unix.SYS_FCNTL, log, unix.F_SETOWN, uintptr(on.monitor)),
		{"make a directory", func() error { return os.Mkdir(filepath.Join(dir, "made"), 0o755) }},
		{"make a file", func() error { return os.WriteFile(filepath.Join(dir, "made"), nil, 0o644) }},
		{"make a link", func() error { return os.Symlink("/", filepath.Join(dir, "made")) }},
		{"remove", func() error { return os.Remove(on.path) }},
		{"rename", func() error { return os.Rename(on.path, on.path+".x") }},
		{"change the mode", func() error { return os.Chmod(on.path, 0o777) }},
		{"change the folder", func() error { return os.Chdir("/") }},
	}
	for _, name := range []string{"/etc/passwd", "/proc/self/maps", "/proc/self/mem", fmt.Sprintf("/proc/%d/cmdline", on.monitor), "/sys/kernel/mm", "/", filepath.Dir(dir) + "/" + planFile} {
		list = append(list, attack{"read " + name, func() error { return opens(name, os.O_RDONLY) }})
	}
	for _, name := range []string{on.path, filepath.Dir(dir) + "/" + resultFile, "/proc/self/mem", "/dev/null"} {
		list = append(list, attack{"write " + name, func() error { return opens(name, os.O_WRONLY) }})
	}
	return list
}

func opens(name string, flag int) error {
	f, err := os.OpenFile(name, flag, 0)
	if err == nil {
		f.Close()
	}
	return err
}

func socket(name string, domain, kind int) attack {
	return attack{"socket " + name, func() error { _, err := unix.Socket(domain, kind, 0); return err }}
}

// fork leaves a process that ends at once if it can.
func fork() error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func descriptor(f *os.File) uintptr {
	var n uintptr
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { n = fd })
	}
	return n
}

func pointer(text string) unsafe.Pointer {
	p, err := unix.BytePtrFromString(text)
	if err != nil {
		panic(err)
	}
	return unsafe.Pointer(p)
}

// A worker that was taken over can do nothing with its process but decide.
func TestE2EHostileWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	file := filepath.Join(s.dir, "log", "kern.log")
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, perm := range map[string]os.FileMode{filepath.Dir(file): 0o777, file: 0o666} { // the folder and its files are open to all
		if perm == 0o666 {
			s.write("log/kern.log", "")
		}
		if err := os.Chmod(name, perm); err != nil {
			t.Fatal(err)
		}
	}
	s.configure("INGEST KNOCK,PCAP;\nIPT_SYSLOG_FILE "+file+";\n", stanza(""))
	s.hostile("attack")
	s.start()
	results := strings.Split(strings.TrimSpace(s.result()), "\n")
	if want := len(attacks(attackable{})); len(results) != want {
		t.Fatalf("%d results of %d attacks:\n%s", len(results), want, s.result())
	}
	for _, result := range results {
		name, text, _ := strings.Cut(result, ": ")
		if !strings.HasSuffix(text, unix.EPERM.Error()) && !strings.HasSuffix(text, unix.EACCES.Error()) {
			t.Errorf("%s: %s", name, text)
		}
		// A kernel without Landlock must refuse that too.
		if strings.HasPrefix(name, "write ") && !strings.HasSuffix(text, unix.EPERM.Error()) {
			t.Errorf("%s: %s, not by the list of system calls", name, text)
		}
	}
}

// A worker that is confined to the directory of its log cannot follow a log in another
// one: a reload that wants that has another worker do it, at the place where the old one
// was in what both follow.
func TestE2EReloadOtherFolder(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	logs := make(map[string]string)
	for _, name := range []string{"a", "b"} {
		logs[name] = filepath.Join(s.dir, name, "kern.log")
		for _, make := range []func() error{
			func() error { return os.Mkdir(filepath.Dir(logs[name]), 0o755) },
			func() error { return os.WriteFile(logs[name], nil, 0o644) },
		} {
			if err := make(); err != nil {
				t.Fatal(err)
			}
		}
	}
	follow := func(name string) { s.configure("AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE "+logs[name]+";\n", knockStanza()) }
	follow("a")
	s.start()
	first := s.worker()
	follow("b")
	const anew = "every knock sequence in progress begins anew, and so do the counts of KNOCK_LIMIT"
	out, code := s.command(append([]string{"reload"}, s.args()...)...)
	// On a loaded machine the daemon may have seen the change, and said so in its log, before it was asked.
	if byItself := s.said("configuration loaded again") > 1; code != 0 || !byItself && !strings.Contains(out, anew) {
		t.Errorf("reload: %d, %s", code, out)
	}
	wait.For(t, "another worker at work", func() bool { return s.said("] at work") == 2 && s.said(anew) == 1 })
	if s.worker() == first {
		t.Error("the worker is the same")
	}
	s.state()
	// Rotated with the sequence half written, while the new file is only beside it for a moment.
	lines := strings.SplitAfter(kernelLines(s.Client.V4), "\n")
	logTo(t, logs["b"], 0o644, lines[0])
	for i, line := range lines[1:3] {
		if err := os.Rename(logs["b"], fmt.Sprintf("%s.%d", logs["b"], i+1)); err != nil {
			t.Fatal(err)
		}
		logTo(t, logs["b"], 0o644, line)
	}
	if !s.open() {
		t.Error("not open")
	}
	if s.said("makes way") != 1 {
		t.Errorf("said %d times that another worker is needed", s.said("makes way"))
	}
	if s.said(anew) != 1 {
		t.Errorf("said %d times that sequences begin anew", s.said(anew))
	}
	second := s.worker()
	if out, code := s.command(append([]string{"reload"}, s.args()...)...); code != 0 || strings.Contains(out, anew) {
		t.Errorf("reload: %d, %s", code, out)
	}
	s.reload()
	if s.worker() != second {
		t.Error("a reload without another folder starts a worker")
	}
}

// What is not confined is said at the start and by the status.
func TestE2EUnconfined(t *testing.T) {
	s := newSite(t, "nftables")
	const want = "SANDBOX is off"
	s.configure("", stanza(""))
	s.start()
	if out, _ := s.command(s.args("--Status")...); strings.Contains(out, "SANDBOX") || s.said(want) > 0 {
		t.Errorf("confined: %s", out)
	}
	s.stop()
	conf, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("fwknopd.conf", strings.Replace(string(conf), "SANDBOX on", "SANDBOX off", 1))
	s.program, _ = program() // whose worker is not looked at
	s.start()
	if s.said(want) != 1 {
		t.Error("the daemon does not say that the worker is not confined")
	}
	for _, args := range [][]string{{"--Status"}, {"--Status", "--format", "json"}} {
		if out, code := s.command(s.args(args...)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: %d %s", args, code, out)
		}
	}
	if got := statusOf(t, s.worker())["Seccomp"]; got != "0" {
		t.Errorf("SANDBOX off: Seccomp %s", got)
	}
}

// The monitor and the commands that it runs are denied what neither needs. Commands can
// gain privileges, as sudo must.
func TestE2EMonitorConfined(t *testing.T) {
	t.Parallel()
	s := newSite(t, "iptables")
	record := filepath.Join(s.dir, "record")
	script := filepath.Join(s.dir, "gate")
	const commands = `#!/bin/sh
{
	unshare --net true; echo namespace $?
	mount -t tmpfs none /mnt; echo mount $?
	strace -o /dev/null true; echo ptrace $?
	grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status
	echo core $(ulimit -c)
	iptables -S FORWARD >/dev/null; echo iptables $?
	nft list ruleset >/dev/null; echo nft $?
	echo end
} > RECORD 2>/dev/null
`
	netlab.Need(t, "unshare", "mount")
	if err := os.WriteFile(script, []byte(strings.Replace(commands, "RECORD", record, 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure("", stanza(fmt.Sprintf("CMD_CYCLE_OPEN %[1]s open $IP $PORT\nCMD_CYCLE_CLOSE %[1]s close $IP\nCMD_CYCLE_TIMER 60", script)))
	s.start()
	status := statusOf(t, s.cmd.Process.Pid)
	if status["Seccomp"] != "2" || status["NoNewPrivs"] != "0" {
		t.Errorf("the monitor: Seccomp %s, NoNewPrivs %s", status["Seccomp"], status["NoNewPrivs"])
	}
	s.knock(ask()...)
	said := func() string { text, _ := os.ReadFile(record); return string(text) }
	wait.For(t, "the command", func() bool { return strings.HasSuffix(said(), "end\n") })
	for _, want := range []string{"NoNewPrivs:\t0\n", "Seccomp:\t2\n", "core 0\n", "iptables 0\n", "nft 0\n"} {
		if !strings.Contains(said(), want) {
			t.Errorf("a command has not %q:\n%s", want, said())
		}
	}
	for _, never := range []string{"namespace 0\n", "mount 0\n", "ptrace 0\n"} {
		if strings.Contains(said(), never) {
			t.Errorf("a command can: %s", never)
		}
	}
}

// unitCapabilities returns the capabilities of the service unit as arguments of setpriv.
func unitCapabilities(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("unit", "fwknopd.service"))
	if err != nil {
		t.Fatal(err)
	}
	set := "-all"
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			for _, name := range strings.Fields(list) {
				set += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
			}
		}
	}
	if set == "-all" {
		t.Fatal("the unit has no capabilities")
	}
	return set
}

// likeUnit gives the daemon the rights of its service unit: the capabilities, no_new_privs,
// the group adm, files that cannot be written to, and a /proc without other processes.
// There is no systemd here to run it.
func (s *site) likeUnit() {
	s.t.Helper()
	netlab.Need(s.t, "setpriv", "unshare", "mount")
	s.inside = []string{"unshare", "--mount", "--propagation", "private", "sh", "-ec", `
		mount --bind /run /run
		mount --bind /tmp /tmp
		mount -t proc -o hidepid=invisible proc /proc
		mount -o remount,bind,ro /
		exec setpriv --bounding-set "$0" --no-new-privs --groups adm "$@"`, unitCapabilities(s.t)}
}

// hasRightsOfUnit fails the test at once if the monitor has others than those of the unit.
func (s *site) hasRightsOfUnit() {
	s.t.Helper()
	status := statusOf(s.t, s.cmd.Process.Pid)
	caps, err := strconv.ParseUint(status["CapEff"], 16, 64)
	const more = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err != nil || caps&more != 0 || caps&(1<<unix.CAP_NET_ADMIN) == 0 || status["NoNewPrivs"] != "1" || status["Seccomp"] != "2" {
		s.t.Fatalf("the monitor has not the rights of the unit: %v %v", status, err)
	}
}

// The daemon works with the rights of its service unit.
func TestE2ERightsOfUnit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		file := filepath.Join(s.dir, "kern.log")
		s.write("kern.log", "")
		const nobody, adm = 65534, 4
		if err := errors.Join(os.Chown(file, nobody, adm), os.Chmod(file, 0o640)); err != nil {
			t.Fatal(err)
		}
		s.likeUnit()
		s.configure("INGEST KNOCK,PCAP,UDP,TCP,NFLOG,SOCKET;\nIPT_SYSLOG_FILE "+file+";\nTCPSERV_PORT 80;\nUDPSERV_PORT 81;\nEVENT_LOG_GROUP adm;\n"+
			"METRICS_LISTEN $FWKNOP_RUN_DIR/metrics.sock;\n", stanza("")+"\n"+knockStanza())
		s.start()
		metrics := filepath.Join(s.dir, "run", "metrics.sock")
		s.isSound(metrics)
		if st, err := os.Stat(metrics); err != nil || st.Mode().Perm() != 0o660 || st.Sys().(*syscall.Stat_t).Gid != adm {
			t.Errorf("the socket of the metrics: %v, %v", st, err)
		}
		s.hasRightsOfUnit()
		s.knock(ask()...)
		if !s.open() {
			t.Error("a packet does not open")
		}
		if out, code := s.command("grants", "revoke", "-c", filepath.Join(s.dir, "fwknopd.conf"), "--all"); code != 0 || !wait.Until(wait.Timeout, s.shut) {
			t.Errorf("revoke: %d %s", code, out)
		}
		s.cmd.Process.Signal(syscall.SIGHUP)
		s.waitFor("configuration loaded again")
		s.state()
		logTo(t, file, 0o640, kernelLines(s.Client.V4))
		if !s.open() {
			t.Error("a sequence in a log does not open")
		}
		worker := s.worker()
		syscall.Kill(worker, syscall.SIGKILL)
		wait.For(t, "another worker at work", func() bool { return s.said("] at work") == 2 })
		s.state()
		s.stop()
		if alive(worker) {
			t.Error("the worker lives on")
		}
	})
}
