package parse

import (
	"bytes"
	"time"
)

// A zoneName is the abbreviation of a zone other than UTC, with zeros after it. An
// array: a slice of the line would make the buffers of lines escape to the heap.
type zoneName [4]byte

// set takes an abbreviation. The database has none that does not fit.
func (z *zoneName) set(name []byte) {
	*z = zoneName{'?'}
	if len(name) <= len(z) && bytes.IndexByte(name, 0) < 0 {
		copy(z[:], name)
	}
}

// timeInZone is time for a stamp that names its zone.
func (s *stamp) timeInZone(ref time.Time) time.Time {
	plain := *s
	plain.zoneName = zoneName{}
	var ok bool
	if plain.offset, ok = zoneOffset(s.zoneName.text(), plain.time(ref)); !ok {
		return time.Time{}
	}
	plain.hasZone = true
	return plain.time(ref)
}

func (z *zoneName) text() []byte { return bytes.TrimRight(z[:], "\x00") }

// zoneOffset returns the offset from UTC, in seconds, of the zone that a stamp names
// by an abbreviation. local is the stamp read in the reader's own location, whose
// abbreviations at that date come first: IST is Israel's time to a reader there. It
// reports false if the abbreviation is unknown or means several zones.
func zoneOffset(name []byte, local time.Time) (offset int, ok bool) {
	const turn = 3 * time.Hour // the clock of a stamp may have been turned back since, or forward
	for _, at := range [...]time.Time{local, local.Add(-turn), local.Add(turn)} {
		if own, offset := at.Zone(); own == string(name) {
			return offset, true
		}
	}
	minutes, _ := zoneMinutes(name)
	return minutes * 60, minutes != ambiguousZone && minutes != unknownZone
}

// isZone reports whether a word is the abbreviation of a time zone and not likely a host.
func isZone(word []byte) bool {
	switch string(word) {
	case "UTC", "GMT":
		return true
	}
	_, host := zoneMinutes(word)
	return !host
}

const (
	ambiguousZone = 25 * 60
	unknownZone   = 26 * 60
)

// zoneMinutes returns the offset of an abbreviation that the time zone database has
// today, in minutes. likelyHost: the name may as well be that of a host.
func zoneMinutes(name []byte) (minutes int, likelyHost bool) {
	switch string(name) {
	case "CST", "CDT", "IST", "PST": // America, China, Cuba; India, Ireland, Israel; America, the Philippines
		return ambiguousZone, false
	case "WET":
		return 0, false
	case "CET", "MET", "BST", "WEST":
		return 1 * 60, false
	case "EET", "CEST", "MEST", "SAST":
		return 2 * 60, false
	case "MSK", "EEST", "IDT":
		return 3 * 60, false
	case "AST", "EDT":
		return -4 * 60, false
	case "EST":
		return -5 * 60, false
	case "MDT":
		return -6 * 60, false
	case "MST", "PDT":
		return -7 * 60, false
	case "AKDT":
		return -8 * 60, false
	case "AKST", "HDT":
		return -9 * 60, false
	case "HST":
		return -10 * 60, false
	case "HKT", "AWST":
		return 8 * 60, false
	case "JST", "KST":
		return 9 * 60, false
	case "AEST", "ChST":
		return 10 * 60, false
	case "AEDT":
		return 11 * 60, false
	}
	return rareZone(name)
}

// rareZone has the zones with few inhabitants, and abbreviations that are also words.
func rareZone(name []byte) (minutes int, likelyHost bool) {
	switch string(name) {
	case "ADT":
		return -3 * 60, false
	case "NST":
		return -3*60 - 30, false
	case "NDT":
		return -2*60 - 30, false
	case "ACST":
		return 9*60 + 30, false
	case "ACDT":
		return 10*60 + 30, false
	case "NZST":
		return 12 * 60, false
	case "NZDT":
		return 13 * 60, false
	case "SST":
		return -11 * 60, false
	case "WAT":
		return 1 * 60, true
	case "CAT":
		return 2 * 60, true
	case "EAT":
		return 3 * 60, true
	case "PKT":
		return 5 * 60, true
	case "WIB":
		return 7 * 60, true
	case "WITA":
		return 8 * 60, true
	case "WIT":
		return 9 * 60, true
	case "SGT": // of older databases, today +08
		return 8 * 60, false
	}
	return unknownZone, true
}
