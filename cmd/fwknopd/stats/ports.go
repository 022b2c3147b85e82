package stats

import (
	"cmp"
	"net/netip"

	"fwknopd/parse"
)

// portPlaces is how many destinations are distinguished: the ports of TCP, those of UDP, and the
// other protocols.
const portPlaces = 2<<16 + 1<<8

// ports counts records by destination port.
type ports struct {
	records [portPlaces]uint64
	pairs   pairs
}

// portPlace returns the place of a port.
func portPlace(p parse.Port) int {
	switch p.Proto {
	case parse.TCP:
		return int(p.Number)
	case parse.UDP:
		return 1<<16 + int(p.Number)
	}
	return 2<<16 + int(p.Proto)
}

// portName names the port at a place, as "tcp/22"; other protocols have no number.
func portName(place int) string {
	switch {
	case place < 1<<16:
		return parse.Port{Proto: parse.TCP, Number: uint16(place)}.String()
	case place < 2<<16:
		return parse.Port{Proto: parse.UDP, Number: uint16(place)}.String()
	}
	return parse.Proto(place - 2<<16).String()
}

// portOf returns the destination port of an event.
func portOf(ev *parse.Event) parse.Port { return parse.Port{Proto: ev.Proto, Number: ev.Dst.Port()} }

// add counts a record.
func (t *ports) add(src netip.Addr, p parse.Port) {
	place := portPlace(p)
	t.records[place]++
	t.pairs.add(src, place)
}

// merge adds o.
func (t *ports) merge(o *ports) {
	for i, n := range o.records {
		t.records[i] += n
	}
	t.pairs.merge(&o.pairs)
}

// summary returns the ports with most records, at most n.
func (t *ports) summary(n int) List[Port] {
	best := newTop(n, func(a, b Port) int { return cmp.Compare(b.Records, a.Records) })
	sources := t.pairs.sources()
	for place, records := range t.records {
		if records > 0 {
			best.add(Port{Port: portName(place), Records: records, Sources: min(max(sources[place], 1), records)})
		}
	}
	return best.list()
}
