package conf

import (
	"fmt"
	"net/netip"

	"fwknopd/parse"
)

// netsLike spells networks the way the manifest spelled them: ANY as 0.0.0.0 or
// 0.0.0.0/0, one address with or without its length, a net with a length or a mask.
func netsLike(got []netip.Prefix, want []any) []string {
	var out []string
	for _, p := range got {
		if p == any6 {
			continue
		}
		spellings := []string{p.String(), fmt.Sprintf("%s/%s", p.Addr(), mask(p))}
		if p.IsSingleIP() || p == any4 {
			spellings = append(spellings, p.Addr().String())
		}
		out = append(out, pick(spellings, want, len(out)))
	}
	return out
}

func mask(p netip.Prefix) netip.Addr {
	var m [4]byte
	for i := range p.Bits() {
		m[i/8%4] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(m)
}

func portsLike(got []Port, want []any) []string {
	var out []string
	for _, p := range got {
		spellings := []string{p.String()}
		if p.Proto == parse.ICMP {
			spellings = append(spellings, "icmp/0")
		}
		out = append(out, pick(spellings, want, len(out)))
	}
	return out
}

// pick is the spelling that stands at place i of want, else the first one.
func pick(spellings []string, want []any, i int) string {
	for _, s := range spellings {
		if i < len(want) && want[i] == s {
			return s
		}
	}
	if want == nil && len(spellings) > 2 {
		return spellings[2]
	}
	return spellings[0]
}
