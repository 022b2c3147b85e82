package filter

import (
	"encoding/binary"
	"math"

	"golang.org/x/net/bpf"
)

// geneve(n) is true of packets of the GENEVE network n (RFC 8926), or of all. Where it is true,
// it notes where they lead: where the EtherType inside the tunnel is, and what follows that.
type geneve int

const (
	portGENEVE    = 6081
	etherBridged  = 0x6558 // an Ethernet frame in the tunnel
	geneveVersion = 0xc0   // of the first byte; the rest is the length of the options in words
	geneveNetwork = 4
)

func (n geneve) emit(c *compiler, yes, no label) {
	const udpHeader = 8
	// about is the header in the tunnel's packet, whose UDP payload is at a place.
	about := func(b base, at uint32) node {
		var is node = test{base: b, off: at, size: 1, mask: geneveVersion, cond: bpf.JumpEqual}
		if n != anyNumber {
			is = and{is, test{base: b, off: at + geneveNetwork, size: 4, mask: math.MaxUint32 &^ 0xff, cond: bpf.JumpEqual, val: uint32(n) << 8}}
		}
		return and{is, test{base: b, off: at, notes: true}}
	}
	four := and{ports4(portGENEVE, portGENEVE, dst, protoUDP), about(transport4, udpHeader)}
	six := and{ports6(portGENEVE, portGENEVE, dst, protoUDP), about(network, ip6Header+udpHeader)}
	or{four, six}.emit(c, yes, no)
}

// tunnel is where a GENEVE packet leads: offsets of the EtherType and of what it is of, 0 if
// there was none.
type tunnel struct{ ether, payload uint }

// tunnelAt returns where the GENEVE header at off leads; ok is false if that is not there.
func tunnelAt(frame []byte, off uint) (t tunnel, ok bool) {
	const header = 8
	if off+4 > uint(len(frame)) {
		return t, false
	}
	t.ether, t.payload = off+2, off+header+uint(frame[off]&^geneveVersion)*4
	if binary.BigEndian.Uint16(frame[off+2:]) == etherBridged {
		t.ether, t.payload = t.payload+12, t.payload+14
	}
	return t, true
}

// Places of the scratch memory of a BPF program, in which it has the marks of a tunnel.
const (
	etherSlot   = 0
	payloadSlot = 1
)

// noTunnel are the instructions that begin a program with "geneve": the kernel refuses to load
// what may not have been stored.
var noTunnel = []bpf.Instruction{
	bpf.LoadConstant{Dst: bpf.RegA},
	bpf.StoreScratch{Src: bpf.RegA, N: etherSlot},
	bpf.StoreScratch{Src: bpf.RegA, N: payloadSlot},
}

// noteTunnel are the instructions of tunnelAt, with the offset of the header in X.
var noteTunnel = []bpf.Instruction{
	bpf.TXA{},
	bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2},
	bpf.StoreScratch{Src: bpf.RegA, N: etherSlot},
	bpf.LoadIndirect{Off: 0, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xff &^ geneveVersion},
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
	bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 8},
	bpf.ALUOpX{Op: bpf.ALUOpAdd},
	bpf.StoreScratch{Src: bpf.RegA, N: payloadSlot},
	bpf.LoadIndirect{Off: 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherBridged, SkipTrue: 5},
	bpf.LoadScratch{Dst: bpf.RegA, N: payloadSlot},
	bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 12},
	bpf.StoreScratch{Src: bpf.RegA, N: etherSlot},
	bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 2},
	bpf.StoreScratch{Src: bpf.RegA, N: payloadSlot},
}
