package fingerprint

import (
	"errors"
	"fmt"
	"strings"
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

// parseQuirks reads the quirks field: the letters, or . for none, and conditions,
// with commas between them. Without the letters (exact is false) quirks are not
// compared.
func parseQuirks(text string) (q quirks, exact bool, conds []condition, err error) {
	if text == "" {
		return 0, false, nil, errors.New(`empty; none is written as "."`)
	}
	list := strings.Split(text, ",")
	if list[0] != data && !strings.Contains(list[0], "=") {
		exact = true
		if q, err = parseLetters(list[0]); err != nil {
			return 0, false, nil, err
		}
		list = list[1:]
	}
	conds, err = parseConditions(list)
	return q, exact, conds, err
}

func parseLetters(text string) (quirks, error) {
	if text == "." {
		return 0, nil
	}
	if text == "" {
		return 0, errors.New(`empty; none is written as "."`)
	}
	var q quirks
	for i := range len(text) {
		bit := strings.IndexByte(quirkLetters, text[i])
		if bit < 0 {
			return 0, fmt.Errorf("unknown quirk %q", text[i])
		}
		q |= 1 << bit
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
