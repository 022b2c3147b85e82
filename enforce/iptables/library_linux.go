package iptables

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func threadID() int { return unix.Gettid() }

// killChildren kills the processes that a thread of this process started, and theirs.
func killChildren(thread int) {
	for _, pid := range descendants(fmt.Sprintf("/proc/self/task/%d/children", thread)) {
		_ = unix.Kill(pid, unix.SIGKILL) // fails if it has just ended
	}
}

// descendants reads a list of children, and those of each.
func descendants(list string) (pids []int) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil // it has ended
	}
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(append(pids, pid), descendants(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))...)
		}
	}
	return pids
}
