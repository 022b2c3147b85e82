package replay

import (
	"encoding/hex"

	"golang.org/x/sys/unix"
)

// bootID returns a text that differs after each boot of the machine, "" if it is unknown.
func bootID() string {
	id, err := unix.SysctlRaw("kern.boot_id")
	if err != nil {
		return ""
	}
	return hex.EncodeToString(id)
}
