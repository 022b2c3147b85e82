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
	minutes, known := zoneMinutes[string(name)]
	return minutes * 60, known && minutes != ambiguousZone
}

// isZone reports whether a word is the abbreviation of a time zone and not likely a host.
func isZone(word []byte) bool {
	switch string(word) {
	case "UTC", "GMT":
		return true
	}
	_, known := zoneMinutes[string(word)]
	return known && !zonesOrHosts[string(word)]
}

// ambiguousZone takes the place of the offset of an abbreviation that means several zones.
const ambiguousZone = 25 * 60

// zoneMinutes has the offset of each abbreviation that the time zone database has today, in
// minutes.
var zoneMinutes = map[string]int{
	"CST":  ambiguousZone, // America, China, Cuba
	"CDT":  ambiguousZone, // America, Cuba
	"IST":  ambiguousZone, // India, Ireland, Israel
	"PST":  ambiguousZone, // America, the Philippines
	"WET":  0,
	"CET":  1 * 60,
	"MET":  1 * 60,
	"BST":  1 * 60,
	"WEST": 1 * 60,
	"EET":  2 * 60,
	"CEST": 2 * 60,
	"MEST": 2 * 60,
	"SAST": 2 * 60,
	"MSK":  3 * 60,
	"EEST": 3 * 60,
	"IDT":  3 * 60,
	"AST":  -4 * 60,
	"EDT":  -4 * 60,
	"EST":  -5 * 60,
	"MDT":  -6 * 60,
	"MST":  -7 * 60,
	"PDT":  -7 * 60,
	"AKDT": -8 * 60,
	"AKST": -9 * 60,
	"HDT":  -9 * 60,
	"HST":  -10 * 60,
	"HKT":  8 * 60,
	"AWST": 8 * 60,
	"JST":  9 * 60,
	"KST":  9 * 60,
	"AEST": 10 * 60,
	"ChST": 10 * 60,
	"AEDT": 11 * 60,

	// With few inhabitants, or abbreviations that are also words.
	"ADT":  -3 * 60,
	"NST":  -3*60 - 30,
	"NDT":  -2*60 - 30,
	"ACST": 9*60 + 30,
	"ACDT": 10*60 + 30,
	"NZST": 12 * 60,
	"NZDT": 13 * 60,
	"SST":  -11 * 60,
	"WAT":  1 * 60,
	"CAT":  2 * 60,
	"EAT":  3 * 60,
	"PKT":  5 * 60,
	"WIB":  7 * 60,
	"WITA": 8 * 60,
	"WIT":  9 * 60,
	"SGT":  8 * 60, // of older databases, today +08
}

// zonesOrHosts are the abbreviations that may as well be the name of a host.
var zonesOrHosts = map[string]bool{
	"WAT": true, "CAT": true, "EAT": true, "PKT": true, "WIB": true, "WITA": true, "WIT": true,
}
