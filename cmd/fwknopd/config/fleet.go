package config

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"fwknopd/policy/conf"
)

// Secrets are the files that only the fleet process uses, which gets them from the monitor.
type Secrets struct {
	Credentials []byte // FLEET_CREDENTIALS; nil: none
	CA          []byte // FLEET_CA; nil: none
}

// maxFleetFile bounds each of the files, in bytes: they go to the fleet process in one message.
const maxFleetFile = 12 << 10

// FleetSecrets reads the files of FLEET, and returns what is wrong with them. It is not for the
// worker, which must not see them.
func (l *Loaded) FleetSecrets() (s Secrets, problems conf.Problems) {
	if l.Server.Fleet.IsZero() {
		return s, nil
	}
	read := func(keyword, path string, secret bool) []byte {
		text, faults := readFleetFile(path, secret)
		for _, fault := range faults {
			at := l.Values.Place(keyword)
			problems = append(problems, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: fault})
		}
		return text
	}
	s.Credentials = read("FLEET_CREDENTIALS", l.Server.FleetCredentials, true)
	if !l.Server.Fleet.Embedded {
		s.CA = read("FLEET_CA", l.Server.FleetCA, false)
	} else if fault := otherKey(l.Server, s.Credentials); fault != "" {
		at := l.Values.Place("FLEET_PEERS")
		problems = append(problems, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: fault})
	}
	return s, problems
}

// otherKey says that FLEET_PEERS has the pin of another key for this member than that of its certificate, which the
// others would refuse; "" if not, or if there is no certificate, of which the fleet process says more.
func otherKey(s *conf.Server, file []byte) string {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // the private key
		}
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		pin := base64.RawURLEncoding.EncodeToString(sum[:])
		for _, p := range s.FleetPeers {
			if p.Name == s.FleetName && p.Pin != pin {
				return fmt.Sprintf("has another pin for %s than that of the key in FLEET_CREDENTIALS, %s: one of them is that of an earlier fleet init", p.Name, pin)
			}
		}
	}
	return ""
}

// readFleetFile reads a file that others must not replace or, if it is secret, read.
func readFleetFile(path string, secret bool) (text []byte, faults []string) {
	if path == "" {
		return nil, nil
	}
	text, info, err := Disk{}.Read(path)
	switch {
	case err != nil:
		return nil, []string{err.Error()}
	case !info.Regular:
		return nil, []string{path + " is not a regular file"}
	case len(text) > maxFleetFile:
		return nil, []string{fmt.Sprintf("%s is larger than %d bytes", path, maxFleetFile)}
	}
	for _, f := range info.Way {
		faults = append(faults, f.Path+" "+f.Text)
	}
	if info.Foreign {
		faults = append(faults, fmt.Sprintf("%s belongs to user %d, not to root: chown root %[1]s", path, info.UID))
	}
	switch {
	case secret && info.Perm&0o077 != 0:
		faults = append(faults, fmt.Sprintf("%s may be read or written by others than its owner (mode %#o): chmod 600 %[1]s", path, info.Perm))
	case info.Perm&0o022 != 0:
		faults = append(faults, fmt.Sprintf("%s may be written by others than its owner (mode %#o): chmod go-w %[1]s", path, info.Perm))
	}
	return text, faults
}

// describeFleet says with whom and how messages are honoured once, "" without a fleet.
func describeFleet(s *conf.Server) string {
	if s.Fleet.IsZero() {
		return ""
	}
	text := "claims of " + s.FleetName + " at " + strings.Join(s.Fleet.Servers, ", ")
	if s.Fleet.Embedded {
		var others []string
		for _, p := range s.FleetPeers {
			if p.Name != s.FleetName {
				others = append(others, p.Name+" at "+p.Addr.String())
			}
		}
		text = fmt.Sprintf("%s at %s with %s", s.FleetName, s.FleetListen, strings.Join(others, ", "))
		if len(others) == 0 {
			text = fmt.Sprintf("%s at %s alone", s.FleetName, s.FleetListen)
		}
	}
	if s.FleetGroup != "" {
		text += "; opens together with the group " + s.FleetGroup
	}
	if !s.FleetEvents {
		text += "; its events and what is open stay here (FLEET_EVENTS N)"
	}
	if s.FleetOnPartition == conf.PartitionLocal {
		return text + "; without a quorum each gateway decides by itself"
	}
	return text + "; without a quorum every message is refused"
}
