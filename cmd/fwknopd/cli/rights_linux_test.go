package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestRights: a user other than root is told to be root where rights are missing, and
// nothing else; root gets the error as it is.
func TestRights(t *testing.T) {
	if os.Geteuid() == 0 {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestRights$", "-test.v")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as nobody: %v\n%s", err, out)
		}
		if err := fmt.Errorf("x: %w", fs.ErrPermission); Rights(err) != err {
			t.Error("root is told to be root")
		}
		return
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "/run/x", Err: syscall.EACCES}, "open /run/x: permission denied: run as root"},
		{&fs.PathError{Op: "open", Path: "/run/x", Err: syscall.ENOENT}, "open /run/x: no such file or directory"},
		{fmt.Errorf("netlink receive: %w", syscall.EPERM), "only root may see and change what is open: run as root"},
		{errors.New("iptables-restore: exit status 4: (you must be root)"), "only root may see and change what is open: run as root"},
		{errors.New("no such chain"), "no such chain"},
	} {
		if got := Rights(tt.err).Error(); !strings.HasPrefix(got, tt.want) || len(got) != len(tt.want) {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
	if Rights(nil) != nil {
		t.Error("an error of nothing")
	}
}
