package iptables

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// killNewChildren returns a function that kills the processes that this thread starts from
// now on, and theirs. Those that other goroutines started on it before are left alone. The
// kernel lists children with CONFIG_PROC_CHILDREN, which distributions set.
func killNewChildren() func() {
	list := fmt.Sprintf("/proc/self/task/%d/children", unix.Gettid())
	before := children(list)
	return func() {
		for _, p := range descendants(list, before) {
			_ = p.Kill() // fails if it has just ended
			_ = p.Release()
		}
	}
}

// descendants returns the processes in a list of children but those of except, and their
// descendants, each behind its parent.
func descendants(list string, except []int) (found []*os.Process) {
	for _, pid := range children(list) {
		if slices.Contains(except, pid) {
			continue
		}
		p, err := os.FindProcess(pid) // a pidfd
		if err != nil {
			continue
		}
		if !slices.Contains(children(list), pid) { // it ended, and p may be another process of this number
			_ = p.Release()
			continue
		}
		found = append(append(found, p), descendants(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid), nil)...)
	}
	return found
}

// children reads a list of children; that of a process that has ended is empty.
func children(list string) (pids []int) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
