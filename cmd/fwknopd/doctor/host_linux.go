package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
)

// leastSpace is the free space below which a folder of state counts as full, in bytes.
const leastSpace = 10 << 20

// examineRights looks at user and capabilities.
func examineRights() []finding {
	if os.Geteuid() != 0 {
		return []finding{{"rights", fix, "this is not root: the firewall and the files of root cannot be looked at", "sudo fwknopd doctor"}}
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return []finding{{"rights", warning, err.Error(), ""}}
	}
	return judgeRights(string(text))
}

// judgeRights judges the effective capabilities in the text of /proc/PID/status, proc(5).
func judgeRights(status string) (list []finding) {
	_, value, _ := strings.Cut(status, "\nCapEff:")
	value, _, _ = strings.Cut(value, "\n")
	have, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
	if err != nil {
		return []finding{{"rights", warning, "no capabilities in /proc/self/status", ""}}
	}
	for _, need := range []struct {
		bit  int
		name string
		why  string
	}{
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "the firewall cannot be changed"},
		{unix.CAP_NET_RAW, "CAP_NET_RAW", "packets cannot be captured"},
	} {
		if have&(1<<need.bit) == 0 {
			list = append(list, finding{"rights", fix, "no " + need.name + ": " + need.why, "in a container: docker run --cap-add " + strings.TrimPrefix(need.name, "CAP_") + "; in a unit: add " + need.name + " to CapabilityBoundingSet="})
		}
	}
	if len(list) == 0 {
		list = append(list, finding{"rights", ok, "root, with CAP_NET_ADMIN and CAP_NET_RAW", ""})
	}
	return list
}

// localPorts returns the local ports of a protocol: of TCP those that are listened on. They
// stand in hexadecimal in /proc/net, proc(5): number, local address:port, remote one, state.
func localPorts(proto string) (ports []int, known bool) {
	for _, name := range []string{"/proc/net/" + proto, "/proc/net/" + proto + "6"} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		known = true
		for line := range strings.Lines(string(text)) {
			const listen = "0A"
			f := strings.Fields(line)
			if len(f) < 4 || proto == "tcp" && f[3] != listen {
				continue
			}
			_, port, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(port, 16, 16); err == nil {
				ports = append(ports, int(n))
			}
		}
	}
	return ports, known
}

// examineClock asks the kernel whether the clock is synchronised, adjtimex(2).
func examineClock() []finding {
	state, err := unix.Adjtimex(&unix.Timex{})
	if err != nil {
		return []finding{{"clock", warning, "adjtimex: " + err.Error(), ""}}
	}
	return judgeClock(state)
}

func judgeClock(state int) []finding {
	if state == unix.TIME_ERROR {
		return []finding{{"clock", warning, "the clock is not synchronised: messages are refused when it is off by more than MAX_SPA_PACKET_AGE", "timedatectl set-ntp true, or chronyd"}}
	}
	return []finding{{"clock", ok, "synchronised", ""}}
}

// examineFolders looks at the space in the folders of state. One that is not there yet is
// made by the daemon: its parent counts.
func examineFolders(s *conf.Server) (list []finding) {
	var seen []string
	for _, dir := range []string{s.RunDir, s.StateDir, filepath.Dir(s.EventLog)} {
		if !filepath.IsAbs(dir) || slices.Contains(seen, dir) {
			continue
		}
		seen = append(seen, dir)
		list = append(list, examineFolder(dir))
	}
	return list
}

func examineFolder(dir string) finding {
	at := dir
	var st unix.Statfs_t
	err := unix.Statfs(at, &st)
	for errors.Is(err, fs.ErrNotExist) && at != "/" {
		at = filepath.Dir(at)
		err = unix.Statfs(at, &st)
	}
	if err == nil {
		err = checkFolder(at)
	}
	switch {
	case err != nil:
		text, command := cutCommand(err.Error())
		return finding{"folder", fix, text, command}
	case st.Flags&unix.ST_RDONLY != 0:
		return finding{"folder", fix, dir + " is on a file system that is mounted read-only", "mount -o remount,rw the file system of " + at}
	case st.Bavail*uint64(st.Bsize) < leastSpace:
		return finding{"folder", fix, fmt.Sprintf("%s has %d KiB left", dir, st.Bavail*uint64(st.Bsize)>>10), "make room there"}
	}
	return finding{"folder", ok, fmt.Sprintf("%s, %d MiB free", dir, st.Bavail*uint64(st.Bsize)>>20), ""}
}

// checkFolder returns why the daemon would not start with a folder. What lets others write to it is
// found where the configuration is loaded.
func checkFolder(dir string) error {
	f, err := safepath.OpenData(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.IsDir() {
		return err
	}
	return fmt.Errorf("%s is not a folder: mv %[1]s %[1]s.old", dir)
}

// lockOwner returns the process that has locked a file with flock(2), 0 if none is known to. The
// kernel lists locks in /proc/locks, proc(5): number, kind, two modes, process, device:inode.
func lockOwner(path string) (pid int) {
	var st unix.Stat_t
	text, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Stat(path, &st) != nil {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 5 && f[1] == "FLOCK" && f[5] == file {
			pid, _ = strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}

// isReplaced reports whether the program file of a process was removed or replaced since it
// started, proc(5).
func isReplaced(pid int) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasSuffix(path, " (deleted)")
}
