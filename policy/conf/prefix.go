package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fwknopd/enforce"
)

// A PrefixLengths is how many leading bits of a client's address count, by address family
// (GRANT_PREFIX, MAX_GRANT_PREFIX); 0 is all of them, which makes the zero value that of
// single addresses.
type PrefixLengths struct{ V4, V6 uint8 }

// The lengths of an address.
const maxPrefix4, maxPrefix6 = 32, 128

// IsZero reports whether all bits count, in both families.
func (l PrefixLengths) IsZero() bool { return l == PrefixLengths{} }

// String is the spelling that a configuration has: "24/64", "24/" or "/64"; "" for the zero
// value.
func (l PrefixLengths) String() string {
	text := func(n uint8) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(int(n))
	}
	if l.IsZero() {
		return ""
	}
	return text(l.V4) + "/" + text(l.V6)
}

// Within reports whether l is nowhere wider than widest.
func (l PrefixLengths) Within(widest PrefixLengths) bool {
	within := func(n, least uint8) bool { return n == 0 || least != 0 && n >= least }
	return within(l.V4, widest.V4) && within(l.V6, widest.V6)
}

// Cap returns l with nothing wider than widest: of a family in which it is, all bits count.
func (l PrefixLengths) Cap(widest PrefixLengths) PrefixLengths {
	if !(PrefixLengths{V4: l.V4}).Within(widest) {
		l.V4 = 0
	}
	if !(PrefixLengths{V6: l.V6}).Within(widest) {
		l.V6 = 0
	}
	return l
}

// Of returns the prefix of an address that has no zone, or the address alone where all bits
// count or the prefix says nothing of where the client is. It is never that of several sites.
func (l PrefixLengths) Of(a netip.Addr) netip.Prefix {
	bits := int(l.V6)
	if a.Is4() {
		bits = int(l.V4)
	}
	if bits == 0 {
		return netip.PrefixFrom(a, a.BitLen())
	}
	bits = max(bits, enforce.LeastBits(netip.PrefixFrom(a, a.BitLen())))
	return netip.PrefixFrom(a, bits).Masked()
}

// ParsePrefixLengths reads "24/64", "24/" or "/64".
func ParsePrefixLengths(text string) (l PrefixLengths, err error) {
	v4, v6, slash := strings.Cut(text, "/")
	if v4, v6 = strings.TrimSpace(v4), strings.TrimSpace(v6); !slash {
		err := fmt.Errorf("%q is not a length for IPv4, a slash and one for IPv6", clip(text))
		if n, wrong := parseInt(v4, enforce.MinBits4, maxPrefix6); wrong == nil {
			return l, misspelled{err, lonelyLength(n)}
		}
		return l, err
	}
	if v4 == "" && v6 == "" {
		return l, errors.New("has no length on either side of the slash")
	}
	if l.V4, err = parseLength(v4, enforce.MinBits4, maxPrefix4); err != nil {
		return PrefixLengths{}, fmt.Errorf("the length for IPv4: %w", err)
	}
	if l.V6, err = parseLength(v6, enforce.MinBits6, maxPrefix6); err != nil {
		return PrefixLengths{}, fmt.Errorf("the length for IPv6: %w", err)
	}
	return l, nil
}

// lonelyLength is what was meant by a length without a slash.
func lonelyLength(n int64) string {
	if n <= maxPrefix4 {
		return fmt.Sprintf("%d/", n)
	}
	return fmt.Sprintf("/%d", n)
}

// parseLength reads one length; "" and the length of an address are 0, a single address.
func parseLength(text string, least, most int64) (uint8, error) {
	if text == "" {
		return 0, nil
	}
	n, err := parseInt(text, least, most)
	if err != nil || n == most {
		return 0, err
	}
	return uint8(n), nil
}
