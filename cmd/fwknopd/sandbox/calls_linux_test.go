package sandbox

import (
	"errors"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
)

// The lists of system calls fit the processors that the program is built for, and can be
// assembled.
func TestCallNames(t *testing.T) {
	for goarch, a := range map[string]*arch.Info{"amd64": arch.X86_64, "arm64": arch.AARCH64} {
		for _, g := range append(workerCallsOn(goarch).Syscalls, fleetCallsOn(goarch, true).Syscalls...) {
			names := g.Names
			for _, c := range g.NamesWithCondtions {
				names = append(names, c.Name)
			}
			for _, name := range names {
				if _, ok := a.SyscallNames[name]; !ok {
					t.Errorf("%s has no %s", a.Name, name)
				}
			}
		}
	}
	for _, name := range append([]string{"clone", "clone3"}, monitorDenied...) {
		for _, a := range []*arch.Info{arch.X86_64, arch.AARCH64} {
			if _, ok := a.SyscallNames[name]; !ok {
				t.Errorf("%s has no %s", a.Name, name)
			}
		}
	}
	if !hasLists {
		if err := ConfineMonitor(); !errors.Is(err, errNoLists) || Missing() == "" {
			t.Errorf("without lists: %v, missing %q", err, Missing())
		}
		return
	}
	m := monitorCalls()
	if _, err := m.Assemble(); err != nil {
		t.Error(err)
	}
	p := workerCalls()
	if _, err := p.Assemble(); err != nil {
		t.Error(err)
	}
	f := fleetCalls(false)
	if _, err := f.Assemble(); err != nil {
		t.Error(err)
	}
	if p.DefaultAction != seccomp.ActionErrno || f.DefaultAction != seccomp.ActionErrno {
		t.Errorf("other calls: %v", p.DefaultAction)
	}
}
