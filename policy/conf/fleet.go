package conf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Values of FLEET_ON_PARTITION.
const (
	PartitionRefuse = "refuse"
	PartitionLocal  = "local"
)

// A Fleet is where the gateways that honour a message once among them keep their claims (FLEET). The
// zero Fleet: this gateway is alone.
type Fleet struct {
	Embedded bool     // in members of their own
	Servers  []string // in an outside cluster: URLs
}

// IsZero reports whether there is no fleet.
func (f Fleet) IsZero() bool { return !f.Embedded && len(f.Servers) == 0 }

// A FleetPeer is a member of an embedded fleet (FLEET_PEERS).
type FleetPeer struct {
	Name string
	Addr netip.AddrPort
	Pin  string // base64url, without padding, of the SHA-256 of its public key
}

// MaxFleetMembers is how many members an embedded fleet may have.
const MaxFleetMembers = 7

// embedded is the value of FLEET for a fleet without an outside cluster.
const embedded = "embedded"

// parseFleet reads "embedded", or a comma list of URLs of NATS servers.
func parseFleet(text string) (f Fleet, err error) {
	if strings.EqualFold(text, embedded) {
		return Fleet{Embedded: true}, nil
	}
	list, err := parseList(text)
	if err != nil {
		return f, err
	}
	for _, server := range list {
		if err := checkFleetServer(server); err != nil {
			return f, err
		}
	}
	return Fleet{Servers: list}, nil
}

// checkFleetServer checks the URL of a server. It is not quoted in errors: it may hold a password.
func checkFleetServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || u.Port() == "" {
		return errors.New("is neither embedded nor a list of servers, such as nats://10.0.0.1:4222 or tls://nats.example.com:4222")
	}
	switch {
	case u.User != nil:
		return errors.New("has a user or password in it: they belong into the file of FLEET_CREDENTIALS")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q is more than a server with its port", clip(server))
	}
	return nil
}

// parseFleetName reads the name of a member.
func parseFleetName(text string) (string, error) {
	if !IsFleetName(text) {
		return "", fmt.Errorf("%q is no name of a member or group: 1 to 63 of a-z, 0-9 and -", clip(text))
	}
	return text, nil
}

// IsFleetName reports whether text can name a member of a fleet.
func IsFleetName(text string) bool {
	return text != "" && len(text) <= 63 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// ParseFleetPeers reads the members in a FLEET_PEERS line, NAME@ADDRESS:PORT/PIN with blanks between them.
func ParseFleetPeers(text string) (peers []FleetPeer, err error) {
	for _, entry := range strings.Fields(text) {
		p, err := parseFleetPeer(entry)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// parseFleetPeer reads NAME@ADDRESS:PORT/PIN.
func parseFleetPeer(entry string) (p FleetPeer, err error) {
	name, rest, ok := strings.Cut(entry, "@")
	at, pin, pinned := strings.Cut(rest, "/")
	if !ok || !pinned {
		return p, fmt.Errorf("%q is not name@address:port/pin, as fwknopd fleet init prints it", clip(entry))
	}
	if p.Name, err = parseFleetName(name); err != nil {
		return p, err
	}
	if p.Addr, err = parseFleetAddress(at); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(pin); err != nil || len(sum) != 32 {
		return p, fmt.Errorf("%s: the pin is not the 43 characters that fwknopd fleet init prints", name)
	}
	p.Pin = pin
	return p, nil
}

// parseFleetAddress reads the address and port of a member: one of a host, not all of a host's.
func parseFleetAddress(text string) (at netip.AddrPort, err error) {
	at, err = netip.ParseAddrPort(text)
	switch a := at.Addr(); {
	case err != nil || at.Port() == 0:
		if strings.HasPrefix(text, ":") {
			return at, errors.New("names no address: a fleet listens on one of the management network, never on all")
		}
		return at, fmt.Errorf("%q is no address and port, such as 10.0.0.1:4223 or [fd00::1]:4223", clip(text))
	case a.IsUnspecified():
		return at, fmt.Errorf("%s is every address: a fleet listens on one of the management network, never on all", a)
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return at, fmt.Errorf("%s is no address of a host", a)
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

// checkFleet finds what is missing of a fleet.
func (ld *loader) checkFleet(v *Values, s *Server) {
	if s.FleetName == "" && ld.Hostname != "" {
		host, _, _ := strings.Cut(strings.ToLower(ld.Hostname), ".")
		if s.FleetName = host; !IsFleetName(host) {
			ld.at(v, "FLEET", fmt.Sprintf("the name of this host, %q, is no name of a member: set FLEET_NAME", clip(host)))
		}
	}
	if s.Fleet.Embedded {
		for _, name := range []string{"FLEET_LISTEN", "FLEET_PEERS", "FLEET_CREDENTIALS"} {
			if !v.IsSet(name) {
				ld.at(v, "FLEET", "embedded needs "+name+"; fwknopd fleet init prints the lines")
			}
		}
		ld.checkFleetPeers(v, s)
	}
}

// checkFleetPeers finds members that contradict each other.
func (ld *loader) checkFleetPeers(v *Values, s *Server) {
	peers, members := s.FleetPeers, len(s.FleetPeers)
	for i, p := range peers {
		for _, q := range peers[:i] {
			if wrong := p.contradicts(q); wrong != "" {
				ld.at(v, "FLEET_PEERS", wrong)
			}
		}
		switch {
		case p.Addr == s.FleetListen && IsFleetName(s.FleetName) && p.Name != s.FleetName:
			ld.at(v, "FLEET_PEERS", p.Name+" has the address of FLEET_LISTEN, and FLEET_NAME is "+s.FleetName)
		case p.Name == s.FleetName && p.Addr != s.FleetListen && s.FleetListen.IsValid():
			val := v.lookup("FLEET_PEERS")
			ld.warnf(val.Pos, val.Name, "%s is this member, at %s; FLEET_LISTEN is %s: the others have to reach it there", p.Name, p.Addr, s.FleetListen)
		}
	}
	if len(peers) > 0 && !s.inFleetPeers() {
		members++
	}
	switch val := v.lookup("FLEET_PEERS"); {
	case members > MaxFleetMembers:
		ld.at(v, "FLEET_PEERS", fmt.Sprintf("makes %d members, at most %d are possible", members, MaxFleetMembers))
	case members > 0 && members%2 == 0:
		ld.warnf(val.Pos, val.Name, "makes %d members, which stand the loss of no more than %d do: add a witness (fwknopd fleet witness)", members, members-1)
	}
}

// contradicts returns why two members cannot be in one fleet; "": they can.
func (p FleetPeer) contradicts(q FleetPeer) string {
	switch {
	case p.Name == q.Name:
		return p.Name + " is there twice"
	case p.Addr == q.Addr:
		return p.Name + " and " + q.Name + " have the same address"
	case p.Pin == q.Pin:
		return p.Name + " and " + q.Name + " have the same pin: each member has a key of its own"
	}
	return ""
}

// inFleetPeers reports whether this member is in FLEET_PEERS too.
func (s *Server) inFleetPeers() bool {
	for _, p := range s.FleetPeers {
		if p.Name == s.FleetName || p.Addr == s.FleetListen {
			return true
		}
	}
	return false
}
