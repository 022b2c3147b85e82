package node

import (
	"errors"
	"fmt"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// A claimValue is what the bucket stores of a claim.
type claimValue struct {
	V       uint8     // 1
	At      time.Time // by the clock of the gateway
	Gateway string
	Stanza  string
}

const (
	maxName  = 63  // bytes of a member's name
	maxValue = 512 // bytes of what is stored, and of its headers
)

var errValue = errors.New("damaged")

// encode returns what is stored of a claim or of the terms.
func encode(v any) []byte {
	b, err := codec.Encode(nil, v)
	if err != nil {
		panic(err) // an internal error: all of our types have an encoding
	}
	return b
}

// decode decodes what encode returned, and nothing else.
func decode(b []byte, v any) error {
	if len(b) > maxValue {
		return errValue
	}
	return codec.Decode(b, v)
}

// decodeClaim decodes a claim, which another member may have written as it liked.
func decodeClaim(b []byte) (claimValue, error) {
	var v claimValue
	if err := decode(b, &v); err != nil || v.V != 1 || !validName(v.Gateway) || len(v.Stanza) > fleetlink.MaxStanza {
		return claimValue{}, errValue
	}
	return v, nil
}

// validName reports whether a member may be called that: it is a part of subjects.
func validName(name string) bool {
	for _, c := range []byte(name) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func errName(name string) error {
	return fmt.Errorf("FLEET_NAME %q: want a-z, 0-9 and -, at most %d of them", name, maxName)
}
