package sources

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// collidingAddresses are families of forged sources that collide in a hash whose constants
// are known.
var collidingAddresses = map[string]func(n uint64) netip.Addr{
	"the constant of the hash as host part": func(n uint64) netip.Addr { return v6(n, 0x9e3779b97f4a7c15) },
	"the other constant":                    func(n uint64) netip.Addr { return v6(n, 0xd6e8feb86659fd93) },
	"host part 0":                           func(n uint64) netip.Addr { return v6(n, 0) },
	"prefix 0":                              func(n uint64) netip.Addr { return v6(0, n) },
	"both parts the same":                   func(n uint64) netip.Addr { return v6(n, n) },
	"upper bits":                            func(n uint64) netip.Addr { return v6(n<<44, 1) },
	"IPv4":                                  func(n uint64) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}) },
}

// v6 returns the address with these halves, in the byte order in which they are hashed.
func v6(prefix, host uint64) netip.Addr {
	var a [16]byte
	binary.LittleEndian.PutUint64(a[:], prefix)
	binary.LittleEndian.PutUint64(a[8:], host)
	return netip.AddrFrom16(a)
}

// TestAttackCollidingAddresses: sources that an attacker chooses take as many steps in the
// table as others.
func TestAttackCollidingAddresses(t *testing.T) {
	const many = 20000
	for name, address := range collidingAddresses {
		sources := newTable()
		seen := make(map[uint64]bool, many)
		for n := range uint64(many) {
			a := address(n)
			key := a.As16()
			seen[hash(&key, 0)] = true
			sources.add(a, time.Time{}, 0, 22, 0)
		}
		sources.flush()
		// Half the slots are free, and so the mean way to one is below 2.
		steps, mask := 0, uint64(len(sources.index)-1)
		for at, s := range sources.index {
			if s.place != 0 {
				key := sources.at(int(s.place - 1)).key
				steps += int((uint64(at) - hash(&key, 0)) & mask)
			}
		}
		if sources.n != many || len(seen) < many-10 || steps > 4*many {
			t.Errorf("%s: %d sources, %d hashes, %d steps", name, sources.n, len(seen), steps)
		}
	}
}

// TestAttackForgedSources: a million sources take no more memory than MaxSources, and every
// SYN is counted.
func TestAttackForgedSources(t *testing.T) {
	const million = 1_000_000
	sources := newTable()
	for n := range million {
		sources.add(v6(uint64(n), 1), time.Time{}, 0, 22, 0)
	}
	sources.flush()
	if sources.n != MaxSources || sources.syns+sources.dropped < million || len(sources.index) > 4*MaxSources {
		t.Errorf("%d sources, %d SYNs and %d dropped, index of %d", sources.n, sources.syns, sources.dropped, len(sources.index))
	}
}
