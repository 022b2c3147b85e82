package nftables

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"fwknopd/enforce/ruleset"
)

// registers are those of the kernel's rule machine (sixteen of four bytes), with what
// is known of each byte.
type registers struct {
	data  [64]byte
	known [64]bool
	iface [64]bool // an interface begins here: not known, but not the loopback
}

// offset is where a register begins: the first four numbers are of sixteen bytes.
func offset(register uint32) int {
	if register < firstReg {
		return int(register-1) * 16 & 63
	}
	return int(register-firstReg) * 4 & 63
}

// load puts data into a register and zeros up to the next one. A nil data of n bytes is
// not known.
func (r *registers) load(register uint32, data []byte, n int) {
	at := offset(register)
	r.iface[at] = false
	for i := at; i < min(at+(n+3)/4*4, len(r.data)); i++ {
		r.data[i], r.known[i] = 0, data != nil
		if data != nil && i-at < len(data) {
			r.data[i] = data[i-at]
		}
	}
}

// partly is load where only some bytes are known.
func (r *registers) partly(register uint32, data []byte, known []bool) {
	r.load(register, data, len(data))
	copy(r.known[offset(register):], known)
}

// equal compares a register with a constant.
func (r *registers) equal(register uint32, want []byte) ruleset.Truth {
	at := offset(register)
	t := ruleset.Yes
	for i, w := range want[:min(len(want), len(r.data)-at)] {
		switch {
		case !r.known[at+i]:
			t = ruleset.Maybe
		case r.data[at+i] != w:
			return ruleset.No
		}
	}
	if t == ruleset.Maybe && r.iface[at] && isLoopback(want) {
		return ruleset.No
	}
	return t
}

// isLoopback reports whether want is the loopback interface, by name or by index.
func isLoopback(want []byte) bool {
	return string(bytes.TrimRight(want, "\x00")) == "lo" || len(want) == 4 && binaryutil.NativeEndian.Uint32(want) == 1
}

// order compares a register with a constant as the kernel does, byte for byte; ok is
// false if a byte is not known.
func (r *registers) order(register uint32, want []byte) (cmp int, ok bool) {
	at := offset(register)
	end := min(at+len(want), len(r.data))
	for _, known := range r.known[at:end] {
		if !known {
			return 0, false
		}
	}
	return bytes.Compare(r.data[at:end], want), true
}

// between reports whether a register lies in an interval with both ends; a nil end is
// none.
func (r *registers) between(register uint32, from, to []byte) ruleset.Truth {
	low, ok := r.order(register, from)
	if !ok {
		return ruleset.Maybe
	}
	high := 0
	if to != nil {
		high, _ = r.order(register, to)
	}
	return ruleset.Of(low >= 0 && high <= 0)
}

func (r *registers) compare(e *expr.Cmp) ruleset.Truth {
	switch e.Op {
	case expr.CmpOpEq:
		return r.equal(e.Register, e.Data)
	case expr.CmpOpNeq:
		return r.equal(e.Register, e.Data).Not()
	}
	c, ok := r.order(e.Register, e.Data)
	if !ok {
		return ruleset.Maybe
	}
	switch e.Op {
	case expr.CmpOpLt:
		return ruleset.Of(c < 0)
	case expr.CmpOpLte:
		return ruleset.Of(c <= 0)
	case expr.CmpOpGt:
		return ruleset.Of(c > 0)
	default:
		return ruleset.Of(c >= 0)
	}
}

// bitwise is (source & mask) ^ xor. A byte that the mask clears is known.
func (r *registers) bitwise(e *expr.Bitwise) {
	from := offset(e.SourceRegister)
	n := min(int(e.Len), len(e.Mask), len(e.Xor), len(r.data)-from)
	data, known := make([]byte, n), make([]bool, n)
	for i := range n {
		data[i] = r.data[from+i]&e.Mask[i] ^ e.Xor[i]
		known[i] = r.known[from+i] || e.Mask[i] == 0
	}
	r.partly(e.DestRegister, data, known)
}

func (r *registers) meta(key expr.MetaKey, register uint32, p *ruleset.Packet) {
	switch key {
	case expr.MetaKeyL4PROTO:
		r.load(register, known8(uint8(p.Proto)), 1)
	case expr.MetaKeyNFPROTO:
		family := byte(unix.NFPROTO_IPV4)
		if p.V6 {
			family = unix.NFPROTO_IPV6
		}
		r.load(register, []byte{family}, 1)
	case expr.MetaKeyPROTOCOL:
		kind := uint16(unix.ETH_P_IP)
		if p.V6 {
			kind = unix.ETH_P_IPV6
		}
		r.load(register, binary.BigEndian.AppendUint16(nil, kind), 2)
	case expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME:
		r.load(register, nil, unix.IFNAMSIZ)
		r.iface[offset(register)] = true
	case expr.MetaKeyIIF, expr.MetaKeyOIF:
		r.load(register, nil, 4)
		r.iface[offset(register)] = true
	default:
		r.load(register, nil, 16)
	}
}

func known8(n uint8) []byte {
	if n == 0 {
		return nil
	}
	return []byte{n}
}

// Bits of ct state and of ct status.
const (
	ctEstablished = 1 << 1
	ctNew         = 1 << 3
	ctSeenReply   = 1 << 1
	ctConfirmed   = 1 << 3
	ctDNAT        = 1 << 5
)

func (r *registers) ct(e *expr.Ct, p *ruleset.Packet) {
	reply := p.State == ruleset.Established
	word := func(n uint32) []byte { return binaryutil.NativeEndian.PutUint32(n) }
	switch {
	case p.State == ruleset.Untracked:
		r.load(e.Register, nil, 16)
	case e.Key == expr.CtKeySTATE && reply:
		r.load(e.Register, word(ctEstablished), 4)
	case e.Key == expr.CtKeySTATE:
		r.load(e.Register, word(ctNew), 4)
	case e.Key == expr.CtKeySTATUS:
		status := uint32(0)
		if reply {
			status = ctSeenReply | ctConfirmed
		}
		if p.DNAT {
			status |= ctDNAT
		}
		r.load(e.Register, word(status), 4)
	case e.Key == expr.CtKeyDIRECTION && reply:
		r.load(e.Register, []byte{1}, 1)
	case e.Key == expr.CtKeyDIRECTION:
		r.load(e.Register, []byte{0}, 1)
	default:
		r.load(e.Register, nil, 16)
	}
}

// rtnLocal is RTN_LOCAL, an address of this host.
const rtnLocal = 2

// fib takes what arrives on the input hook as sent to an address of this host.
func (r *registers) fib(e *expr.Fib, p *ruleset.Packet) {
	if e.ResultADDRTYPE && e.FlagDADDR && p.Hook == ruleset.Input {
		r.load(e.Register, binaryutil.NativeEndian.PutUint32(rtnLocal), 4)
		return
	}
	r.load(e.Register, nil, 16)
}

// tcpFlags is the offset of the flags in a TCP header.
const tcpFlags = 13

// payload reads the headers as far as they are known.
func (r *registers) payload(e *expr.Payload, p *ruleset.Packet) {
	if e.OperationType == expr.PayloadWrite {
		return
	}
	var h header
	switch {
	case e.Base == expr.PayloadBaseTransportHeader:
		h.port(srcPort, p.Sport)
		h.port(dstPort, p.Dport)
		if flags := p.TCPFlags(); flags != 0 {
			h.put(tcpFlags, []byte{flags})
		}
	case e.Base != expr.PayloadBaseNetworkHeader:
	case p.V6:
		h.put(6, known8(uint8(p.Proto)))
		h.addr(srcOffset6, p.Src, p.SrcBits)
		h.addr(dstOffset6, p.Dst, p.DstBits)
	default:
		h.put(9, known8(uint8(p.Proto)))
		h.addr(srcOffset4, p.Src, p.SrcBits)
		h.addr(dstOffset4, p.Dst, p.DstBits)
	}
	from := min(int(e.Offset), len(h.data))
	to := min(from+int(e.Len), len(h.data))
	r.load(e.DestRegister, nil, int(e.Len))
	r.partly(e.DestRegister, h.data[from:to], h.known[from:to])
}

// A header is a packet header of which some bytes are known.
type header struct {
	data  [64]byte
	known [64]bool
}

func (h *header) put(at int, data []byte) {
	for i, c := range data {
		h.data[at+i], h.known[at+i] = c, true
	}
}

// addr puts an address, as far as whole bytes of it are known; bits 0: all.
func (h *header) addr(at int, a netip.Addr, bits uint8) {
	if !a.IsValid() {
		return
	}
	known := a.AsSlice()
	if bits != 0 {
		known = known[:bits/8]
	}
	h.put(at, known)
}

func (h *header) port(at int, port uint16) {
	if port != 0 {
		h.put(at, binary.BigEndian.AppendUint16(nil, port))
	}
}
