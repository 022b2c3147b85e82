package replay

import (
	"os"
	"strings"
)

// bootID returns a text that differs after each boot of the machine, "" if it is unknown.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
