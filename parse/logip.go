package parse

import (
	"bytes"
	"math"
)

// ipv4Fields reads an IPv4 header from the end of LEN on:
//
//	TOS=0x00 PREC=0x00 TTL=64 ID=1 [CE] [DF] [MF] [FRAG:n] [OPT (hex)] PROTO=
//
// ulogd writes the type of service without 0x.
func ipv4Fields(b []byte, i int, ev *Event) error {
	i = keyTOS.after(b, i)
	if j := after(b, i, "0x"); j != failed {
		i = j
	}
	_, i = hexByte(b, i)
	_, i = hexByte(b, keyPREC.after(b, i))
	ttl, i := keyTTL.field(b, i, math.MaxUint8)
	id, i := keyID.field(b, i, math.MaxUint16)
	if i == failed {
		return errRecord
	}
	ev.TTL, ev.ID = uint8(ttl), uint16(id)
	if keyPROTO.opens(load(b, i)) {
		return transport(b, i, ev)
	}
	i, later := fragmentation(b, i, ev)
	if j := keyOPT.after(b, i); j != failed {
		var opt [MaxOptions]byte
		ev.IPOptions = true
		_, i = optionBytes(b, j, &opt)
	}
	if later && i != failed {
		return errLater
	}
	return transport(b, i, ev)
}

// The flags of the IPv4 header, with the blanks around them. CE is the reserved bit.
var (
	flagCE = newKey(" CE ")
	flagDF = newKey(" DF ")
	flagMF = newKey(" MF ")
)

// fragmentation reads the flags of the IPv4 header and the fragment offset.
func fragmentation(b []byte, i int, ev *Event) (next int, later bool) {
	for {
		w := load(b, i)
		switch {
		case flagDF.opens(w):
			ev.DF = true
		case flagMF.opens(w):
			ev.Fragment = true
		case !flagCE.opens(w):
			if j := keyFRAG.after(b, i); j != failed {
				var n uint64
				n, i = number(b, j, 0x1fff)
				return i, n > 0
			}
			return i, false
		}
		i += flagDF.width - 1
	}
}

// ipv6Fields reads an IPv6 header from the end of LEN on:
//
//	TC=0 HOPLIMIT=64 FLOWLBL=1 [extension headers] PROTO=
func ipv6Fields(b []byte, i int, ev *Event) error {
	_, i = keyTC.field(b, i, math.MaxUint8)
	ttl, j := number(b, after(b, i, " HOPLIMIT="), math.MaxUint8)
	_, j = number(b, after(b, j, " FLOWLBL="), 1<<20-1)
	if j == failed {
		ttl, j = labelFirst(b, i, ev)
	}
	if i = j; i == failed {
		return errRecord
	}
	ev.TTL = uint8(ttl)
	if keyPROTO.opens(load(b, i)) {
		return transport(b, i, ev)
	}
	i, later := extensionHeaders(b, i, ev)
	if later {
		return errLater
	}
	return transport(b, i, ev)
}

// extensionHeaders passes over IPv6 extension headers. Each shows as "OPT ( … )"
// if the rule logs IP options, and else not at all, but for a fragment header:
//
//	OPT ( ) OPT ( AH SPI=0x1 ) OPT ( FRAG:0 INCOMPLETE ID:0000002a )
//
// INCOMPLETE there means that more fragments follow.
func extensionHeaders(b []byte, i int, ev *Event) (next int, later bool) {
	for {
		if j := after(b, i, " OPT ("); j != failed {
			i = j
		} else if j := after(b, i, " AH SPI=0x"); j != failed {
			i = wordEnd(b, j)
		} else if j := after(b, i, " )"); j != failed {
			i = j
		} else if j := keyFRAG.after(b, i); j != failed {
			if i, later = ipv6Fragment(b, j, ev); later || i == failed {
				return i, later
			}
		} else {
			return i, false
		}
	}
}

// ipv6Fragment reads the fragment header behind "FRAG:". ulogd puts blanks behind
// its colons.
func ipv6Fragment(b []byte, i int, ev *Event) (next int, later bool) {
	n, i := number(b, skipBlank(b, i), math.MaxUint16)
	if j := after(b, i, " INCOMPLETE"); j != failed {
		ev.Fragment = true
		i = j
	}
	i = after(b, i, " ID:")
	if i == failed {
		return failed, false
	}
	return wordEnd(b, skipBlank(b, i)), n > 0
}

// skipBlank passes over one blank, if there is one.
func skipBlank(b []byte, i int) int {
	if i < len(b) && b[i] == ' ' {
		return i + 1
	}
	return i
}

// stopsShort reports whether a record ends at i for a reason that the kernel
// states or, for a payload that IPv6 encrypts, leaves unstated.
func stopsShort(b []byte, i int, v6 bool) bool {
	if i == failed {
		return false
	}
	rest := bytes.TrimLeft(b[i:], " ")
	for _, reason := range []string{"TRUNCATED", "ESP ", "INCOMPLETE ", "Unknown Ext Hdr "} {
		if after(rest, 0, reason) != failed {
			return true
		}
	}
	return v6 && len(rest) == 0
}
