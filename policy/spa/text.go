package spa

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameByte marks printable ASCII without the characters that mean something to
// shells, paths and configuration files.
var nameByte = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = !strings.ContainsRune(`"/\[]:;|=,+*?<>`, c)
	}
	return t
}()

// userName reports whether u is a name.
func userName(u []byte) bool {
	for _, c := range u {
		if !nameByte[c] {
			return false
		}
	}
	return len(u) > 0
}

// address reads an address as clients write it: no zone, no IPv4 in IPv6 clothes,
// no octal.
func address(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !a.Is4In6()
}

// readText takes the message text apart: ADDRESS,COMMAND or ADDRESS,PROTO/PORT…
func (m *Message) readText(rules *Rules) error {
	addr, rest, ok := strings.Cut(m.Text, ",")
	if !ok {
		return errText
	}
	if m.Allow, ok = address(addr); !ok {
		return errAddr
	}
	if m.Type == Command {
		if rest == "" || !cleanText(rest) {
			return errCmd
		}
		m.Cmd = rest
		return nil
	}
	if rest == "none/0" {
		return errNoPort
	}
	for more := true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		p, ok := readPort(item, rules.Perl19)
		if !ok {
			return errPorts
		}
		m.Ports = append(m.Ports, p)
	}
	return nil
}

// cleanText reports that s can be shown and run as one line.
func cleanText(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// readPort reads proto/port. ICMP can be asked for under the rules of 1.9 alone;
// what follows its slash has no meaning.
func readPort(item string, perl bool) (Port, bool) {
	proto, num, ok := strings.Cut(item, "/")
	if perl {
		proto = strings.ToLower(proto)
	}
	port, good := portNumber(num)
	switch {
	case !ok:
	case proto == "tcp" && good:
		return Port{6, port}, true
	case proto == "udp" && good:
		return Port{17, port}, true
	case proto == "icmp" && perl && (good || num == "0"):
		return Port{Proto: 1}, true
	}
	return Port{}, false
}

// portNumber reads 1 to 5 digits that are 1 to 65535.
func portNumber(s string) (uint16, bool) {
	if len(s) > 5 || strings.HasPrefix(s, "+") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0
}

// readNAT takes the nat field apart: HOST,PORT.
func (m *Message) readNAT(rules *Rules) error {
	host, num, ok := strings.Cut(m.NAT, ",")
	if !ok {
		return errNAT
	}
	if m.NATPort, ok = portNumber(num); !ok {
		return errNAT
	}
	a, isAddr := address(host)
	switch {
	case isAddr:
		m.NATHost = a.String()
	case rules.AllowHosts && hostName(host):
		m.NATHost = host
	default:
		return errNAT
	}
	return nil
}

const (
	maxHost  = 253 // RFC 1035 section 2.3.4, without the root's dot
	maxLabel = 63
)

// hostName reports a name of letters, digits, hyphens and underscores whose last
// label is not a number: that would be an address somebody got wrong.
func hostName(s string) bool {
	if len(s) > maxHost {
		return false
	}
	label := ""
	for more := true; more; {
		label, s, more = strings.Cut(s, ".")
		if !hostLabel(label) {
			return false
		}
	}
	return !digits([]byte(label))
}

func hostLabel(l string) bool {
	if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		if c := l[i] | 0x20; (c < 'a' || c > 'z') && (l[i] < '0' || l[i] > '9') && l[i] != '-' && l[i] != '_' {
			return false
		}
	}
	return true
}
