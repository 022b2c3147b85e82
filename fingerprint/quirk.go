package fingerprint

import (
	"errors"
	"fmt"
)

// quirks is a set of oddities of a SYN.
type quirks uint16

const (
	quirkPastEnd   quirks = 1 << iota // P: bytes after the end of the option list
	quirkZeroID                       // Z: IP identification 0
	quirkIPOptions                    // I
	quirkUrgent                       // U: urgent pointer not 0
	quirkReserved                     // X: reserved header bits
	quirkAck                          // A: acknowledgement number not 0
	quirkEcho                         // T: second time stamp not 0
	quirkFlags                        // F: PSH or URG
	quirkData                         // D: payload
	quirkBroken                       // !: options cannot be decoded to their end
	quirkResetAck                     // K: an RST's acknowledgement number
	quirkSeqAck                       // Q: sequence equals acknowledgement number
	quirkZeroSeq                      // 0: sequence number 0
)

// quirkLetters names the quirks in the order of their bits.
const quirkLetters = "PZIUXATFD!KQ0"

func parseQuirks(text string) (quirks, error) {
	switch text {
	case ".":
		return 0, nil
	case "":
		return 0, errors.New(`empty; none is written as "."`)
	}
	var q quirks
next:
	for i := range len(text) {
		for bit := range len(quirkLetters) {
			if text[i] == quirkLetters[bit] {
				q |= 1 << bit
				continue next
			}
		}
		return 0, fmt.Errorf("unknown quirk %q", text[i])
	}
	return q, nil
}

func (q quirks) appendTo(dst []byte) []byte {
	if q == 0 {
		return append(dst, '.')
	}
	for bit := range len(quirkLetters) {
		if q&(1<<bit) != 0 {
			dst = append(dst, quirkLetters[bit])
		}
	}
	return dst
}
