package iptables

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func threadID() int { return unix.Gettid() }

// killChildren kills the processes that a thread of this process started.
func killChildren(thread int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", thread))
	if err != nil {
		return // it has ended, and with it what it waited for
	}
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // fails if it has just ended
		}
	}
}
