package filter

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// TestKernelTakesTags: on a socket the outermost tag stands beside the frame. The
// kernel checks a program when it is attached, to whatever socket.
func TestKernelTakesTags(t *testing.T) {
	for expr, asks := range map[string]bool{
		"vlan 7 and (udp port 62201 or not vlan)": true,
		"udp port 62201 or (vlan and udp)":        true,
		"udp port 62201":                          false,
		"vlan and pppoes and udp port 62201":      true,
		"pppoes and udp port 62201":               false,
		"ip or (vlan 7 and geneve 3 and tcp)":     true,
		"not geneve and ip":                       false,
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.Program(parse.LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		present := func(in bpf.RawInstruction) bool {
			return in.Disassemble() == bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}
		}
		if got := slices.ContainsFunc(raw, present); got != asks {
			t.Errorf("%s: asks for the tag: %v", expr, got)
		}
		attach(t, raw)
	}
}

func attach(t *testing.T, raw []bpf.RawInstruction) {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	program := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if err := unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		t.Errorf("the kernel refuses %v: %v", raw, err)
	}
}
