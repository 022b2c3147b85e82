package fingerprint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds on a signature file; the largest ones known have some 700 lines. One with
// more mistakes than maxErrors is not a signature file.
const (
	maxLine       = 1024 // bytes
	maxSignatures = 1 << 14
	maxErrors     = 100
)

const blanks = " \t"

// Load reads a signature file; name is for messages and [Signature.File]. Empty
// lines and lines that begin with # are skipped, every other line must be a
// signature. A line that repeats an earlier one is left out. All errors are
// returned, up to a bound, joined, each as "name:line: what is wrong"; with any the set is nil.
func Load(name string, text []byte) (*Set, error) {
	var (
		sigs []Signature
		errs []error
		line int
	)
	for row := range strings.Lines(string(text)) {
		line++
		row = strings.TrimRight(row, "\r\n")
		if start := strings.TrimLeft(row, blanks); start == "" || start[0] == '#' {
			continue
		}
		sig, err := parseLine(row)
		if err == nil && len(sigs) == maxSignatures {
			err = fmt.Errorf("more than %d signatures", maxSignatures)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err))
			if len(errs) == maxErrors || len(sigs) == maxSignatures {
				break
			}
			continue
		}
		sig.File, sig.Line = name, line
		sigs = append(sigs, sig)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return newSet(sigs), nil
}

// parseLine reads one signature.
func parseLine(row string) (Signature, error) {
	if len(row) > maxLine {
		return Signature{}, fmt.Errorf("longer than %d bytes", maxLine)
	}
	cells, label := splitLine(row)
	if len(cells) < int(fieldQuirks) {
		return Signature{}, errors.New("not a signature: window:ttl:df:size:options:[quirks:] label expected")
	}
	sig := Signature{Text: strings.Join(cells, ":"), Label: label}
	if err := sig.parseLabel(); err != nil {
		return Signature{}, err
	}
	return sig, sig.parseFields(cells)
}

// splitLine cuts a line into at most six fields and the label. A field ends with a
// colon, the last one may end with a blank instead; a blank behind a colon ends
// the fields as well.
func splitLine(row string) (cells []string, label string) {
	cells = make([]string, 0, fields)
	rest := strings.TrimLeft(row, blanks)
	for len(cells) < int(fields) {
		i := strings.IndexAny(rest, ":"+blanks)
		if i < 0 || i == 0 && rest[0] != ':' {
			break
		}
		last := rest[i] != ':'
		cells = append(cells, rest[:i])
		if rest = rest[i+1:]; last {
			break
		}
	}
	return cells, strings.TrimLeft(rest, blanks)
}

// parseLabel reads the marks in front of the genre: - or * for what is not an
// operating system, @ for a guess, in any order.
func (sig *Signature) parseLabel() error {
	genre := sig.Label
	for genre != "" {
		switch genre[0] {
		case '@':
			sig.Generic = true
		case '*', '-':
			sig.Userland = true
		default:
			return nil
		}
		genre = genre[1:]
	}
	return errors.New("no label")
}

func (sig *Signature) parseFields(cells []string) error {
	p := &sig.pattern
	var err error
	if p.window, err = parseNumber(cells[fieldWindow], "*%ST", 0xffff); err != nil {
		return fmt.Errorf("window: %w", err)
	}
	ttl, err := parseNumber(cells[fieldTTL], "", 0xff)
	if err != nil || ttl.n == 0 {
		return fmt.Errorf("ttl: %q is not a number from 1 to 255", cells[fieldTTL])
	}
	p.ttl = uint8(ttl.n)
	switch cells[fieldDF] {
	case "0":
	case "1":
		p.df = bitSet
	case "*":
		p.df = bitAny
	default:
		return fmt.Errorf("df: %q is none of 0, 1 and *", cells[fieldDF])
	}
	if p.size, err = parseNumber(cells[fieldSize], "*%", 0xffff); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	if err = sig.parseOptions(cells[fieldOptions]); err != nil {
		return fmt.Errorf("options: %w", err)
	}
	if len(cells) > int(fieldQuirks) {
		p.exact = true
		if p.quirks, err = parseQuirks(cells[fieldQuirks]); err != nil {
			return fmt.Errorf("quirks: %w", err)
		}
	}
	return nil
}

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

func (sig *Signature) parseOptions(text string) error {
	if text == "." {
		return nil
	}
	for element := range strings.SplitSeq(text, ",") {
		if sig.elements() == maxElements {
			return fmt.Errorf("more than %d", maxElements)
		}
		if element == "E" {
			sig.pattern.ends++
			continue
		}
		if sig.pattern.ends > 0 {
			return fmt.Errorf("%q after the end of the list", element)
		}
		if err := sig.parseOption(element); err != nil {
			return err
		}
	}
	return nil
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
