package iptables

import (
	"net/netip"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/quote"
	"fwknopd/enforce/ruleset"
)

// Published returns what a nat table publishes, from the text of -S:
//
//	-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
//
// Rules in chains of ours are left out, and those for packets that this host sends.
func (s *Surveyor) Published(text string) (all []ruleset.Published) {
	for line := range strings.Lines(text) {
		words, err := quote.Iptables.Split(strings.TrimRight(line, "\n"))
		if err != nil || len(words) < 2 || words[0] != "-A" {
			continue
		}
		chain := words[1]
		if _, ours := s.ours[chain]; ours || chain == "OUTPUT" || chain == "POSTROUTING" {
			continue
		}
		all = append(all, publishedBy(chain, words[2:])...)
	}
	return all
}

// publishedBy reads the words of one rule behind its chain.
func publishedBy(chain string, words []string) (all []ruleset.Published) {
	var p ruleset.Published
	ports := ""
	isDNAT := false
	for i := 0; i+1 < len(words); i++ {
		if words[i] == "!" {
			i++ // and the option that it inverts
			continue
		}
		value := words[i+1]
		switch words[i] {
		case "-p":
			p.Proto, _ = parseProto(value)
		case "-d":
			if p.At, _ = parseNet(value); p.At.Addr().IsLoopback() {
				return nil
			}
		case "--dport", "--dports":
			ports = value
		case "-j":
			isDNAT = value == "DNAT"
		case "--to-destination":
			p.To = parseDestination(value)
		}
	}
	if !isDNAT || !slices.Contains([]enforce.Proto{enforce.TCP, enforce.UDP}, p.Proto) {
		return nil
	}
	if strings.HasPrefix(chain, "DOCKER") {
		p.Owner = "Docker"
	}
	ranges, _ := parseRanges(ports)
	for _, r := range ranges {
		p.First, p.Last = r.first, r.last
		all = append(all, p)
	}
	return all
}

// parseDestination reads an address with a port or without; of ranges of either the address
// alone.
func parseDestination(s string) netip.AddrPort {
	if to := parseTarget(s); to.IsValid() {
		return to
	}
	host := s[:max(strings.LastIndexByte(s, ':'), 0)]
	return parseTarget(host)
}
