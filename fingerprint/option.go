package fingerprint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseNumber reads a number up to limit, or one of the allowed forms: a lone *,
// or one of the letters % S T and a number that is not 0.
func parseNumber(text, forms string, limit uint64) (number, error) {
	if text == "*" && strings.Contains(forms, "*") {
		return number{rel: anything}, nil
	}
	rel, digits := equals, text
	if text != "" && strings.IndexByte(forms, text[0]) >= 0 {
		rel, digits = relations[text[0]], text[1:]
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n > limit || n == 0 && rel != equals {
		return number{}, fmt.Errorf("%q does not fit", text)
	}
	return number{rel, uint16(n)}, nil
}

var relations = map[byte]relation{'%': multiple, 'S': timesMSS, 'T': timesMTU}

// parseOptions reads the layout; an error comes with the offset of what is wrong.
func (sig *Signature) parseOptions(text string) (offset int, err error) {
	if text == "." {
		return 0, nil
	}
	for element := range strings.SplitSeq(text, ",") {
		if err := sig.parseElement(element); err != nil {
			return offset, err
		}
		offset += len(element) + 1
	}
	return 0, nil
}

func (sig *Signature) parseElement(text string) error {
	switch {
	case sig.elements() == maxElements:
		return fmt.Errorf("more than %d", maxElements)
	case text == "E":
		sig.pattern.ends++
		return nil
	case sig.pattern.ends > 0:
		return fmt.Errorf("%q after the end of the list", text)
	default:
		return sig.parseOption(text)
	}
}

func (sig *Signature) parseOption(text string) error {
	if text == "" {
		return errors.New("empty element")
	}
	var (
		kind  uint8
		value number
		err   error
	)
	switch arg := text[1:]; {
	case text == "N":
		kind = kindNOP
	case text == "S":
		kind = kindSACKPermitted
	case text == "T":
		kind, value = kindTimestamp, number{equals, 1}
	case text == "T0":
		kind, value = kindTimestamp, number{equals, 0}
	case text[0] == 'M':
		kind = kindMSS
		value, err = parseNumber(arg, "*%", 0xffff)
	case text[0] == 'W':
		kind = kindScale
		value, err = parseNumber(arg, "*%", 0xff)
	case text[0] == '?':
		kind, err = parseKind(arg)
	default:
		err = errors.New("no such option")
	}
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if value.rel != anything {
		sig.pattern.checks = append(sig.pattern.checks, check{sig.layout.n, value})
	}
	sig.layout.kind[sig.layout.n] = kind
	sig.layout.n++
	return nil
}

// parseKind reads the number of an option kind that has no letter.
func parseKind(text string) (uint8, error) {
	n, err := parseNumber(text, "", 0xff)
	if err != nil {
		return 0, err
	}
	switch n.n {
	case kindEnd, kindNOP, kindMSS, kindScale, kindSACKPermitted, kindTimestamp:
		return 0, errors.New("this kind has a letter of its own")
	}
	return uint8(n.n), nil
}
