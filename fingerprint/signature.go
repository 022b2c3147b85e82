package fingerprint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fwknopd/parse"
)

// A Signature is one line of a signature file.
type Signature struct {
	// Text is the pattern as written in the file, five or six fields with colons
	// between them.
	Text string
	// Label is the rest of the line as written, trailing blanks included:
	// genre:version:subtype:description.
	Label string
	// File and Line are its position; lines count from 1.
	File string
	Line int
	// Generic: a guess at a group of systems, its genre is marked with @.
	// Userland: not an operating system, its genre is marked with * or -.
	Generic, Userland bool
	// Index is its place in the report order of its [Set], from 0.
	Index int

	layout  layout
	pattern pattern
}

// maxElements is the most options a signature can spell; each takes a byte.
const maxElements = parse.MaxOptions

// field is a place in the text of a signature.
type field uint8

const (
	fieldWindow field = iota
	fieldTTL
	fieldDF
	fieldSize
	fieldOptions
	fieldQuirks // may be missing
	fields
)

var fieldNames = [fields]string{"window", "ttl", "df", "size", "options", "quirks"}

// A cell is one field of a line and its position.
type cell struct {
	text string
	col  int // in bytes, from 1
}

// A fieldError is an error in one field of a line, with its position.
type fieldError struct {
	field field
	err   error
	col   int
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("%s: %v (column %d)", fieldNames[e.field], e.err, e.col)
}

// parseLine reads one signature.
func parseLine(row string) (Signature, error) {
	cells, label := splitLine(row)
	if len(cells) < int(fieldQuirks) {
		return Signature{}, fmt.Errorf("not a signature: window:ttl:df:size:options:[quirks:] label expected (column %d)", label.col)
	}
	var texts [fields]string
	for i, c := range cells {
		texts[i] = c.text
	}
	sig := Signature{Text: strings.Join(texts[:len(cells)], ":"), Label: label.text}
	if !sig.parseLabel() {
		return Signature{}, fmt.Errorf("no label (column %d)", len(row)+1)
	}
	return sig, sig.parseFields(cells)
}

const blanks = " \t"

// splitLine cuts a line into at most six fields and the label. A field ends with a
// colon, the last one may end with a blank instead; a blank after a colon ends
// the fields as well, and so does a label of four parts.
func splitLine(row string) (cells []cell, label cell) {
	cells = make([]cell, 0, fields)
	rest := strings.TrimLeft(row, blanks)
	for len(cells) < int(fields) {
		i := strings.IndexAny(rest, ":"+blanks)
		if i < 0 || i == 0 && rest[0] != ':' || len(cells) == int(fieldQuirks) && isLabel(rest) {
			break
		}
		last := rest[i] != ':'
		cells = append(cells, cell{rest[:i], 1 + len(row) - len(rest)})
		if rest = rest[i+1:]; last {
			break
		}
	}
	rest = strings.TrimLeft(rest, blanks)
	return cells, cell{rest, 1 + len(row) - len(rest)}
}

// labelParts is how many parts the label of a list of p0f 2's age has.
const labelParts = 4

// isLabel distinguishes a label directly after the options from quirks: a label has four
// parts. Some genres could be quirks (AIX): there the number must be exact, and
// a blank would end the fields.
func isLabel(text string) bool {
	genre, rest, _ := strings.Cut(text, ":")
	parts := 1 + strings.Count(text, ":")
	if _, _, _, err := parseQuirks(genre); err != nil {
		quirk, _, blank := strings.Cut(genre, " ") // quirks, a blank, a label
		_, _, _, err = parseQuirks(quirk)
		return parts >= labelParts && !(blank && err == nil)
	}
	return parts == labelParts && text[0] >= 'A' && text[0] <= 'Z' && strings.IndexAny(rest, blanks) != 0
}

// parseLabel reads the marks before the genre: - or * for what is not an
// operating system, @ for a guess, in any order. It reports whether there is a genre.
func (sig *Signature) parseLabel() bool {
	for _, c := range []byte(sig.Label) {
		switch c {
		case '@':
			sig.Generic = true
		case '*', '-':
			sig.Userland = true
		default:
			return true
		}
	}
	return false
}

// parseFields compiles the pattern.
func (sig *Signature) parseFields(cells []cell) error {
	p := &sig.pattern
	var err error
	if p.window, err = parseNumber(cells[fieldWindow].text, "*%ST", 0xffff); err != nil {
		return cells[fieldWindow].errorAt(fieldWindow, 0, err)
	}
	if err = p.parseTTL(cells[fieldTTL].text); err != nil {
		return cells[fieldTTL].errorAt(fieldTTL, 0, err)
	}
	switch df := cells[fieldDF]; df.text {
	case "0":
	case "1":
		p.df = bitSet
	case "*":
		p.df = bitAny
	default:
		return df.errorAt(fieldDF, 0, fmt.Errorf("%q is none of 0, 1 and *", df.text))
	}
	if p.size, err = parseNumber(cells[fieldSize].text, "*%", 0xffff); err != nil {
		return cells[fieldSize].errorAt(fieldSize, 0, err)
	}
	if offset, err := sig.parseOptions(cells[fieldOptions].text); err != nil {
		return cells[fieldOptions].errorAt(fieldOptions, offset, err)
	}
	if len(cells) > int(fieldQuirks) {
		var conds []condition
		if p.quirks, p.exact, conds, err = parseQuirks(cells[fieldQuirks].text); err != nil {
			return cells[fieldQuirks].errorAt(fieldQuirks, 0, err)
		}
		if len(conds) > 0 {
			p.conditions = &conds
		}
	}
	return nil
}

// errorAt returns an error of the cell, at an offset in it.
func (c cell) errorAt(field field, offset int, err error) error {
	return &fieldError{field, err, c.col + offset}
}

// parseTTL reads an initial TTL; with a minus after it, a packet may also have started
// with any lower one.
func (p *pattern) parseTTL(text string) error {
	digits, anyHops := strings.CutSuffix(text, "-")
	ttl, err := parseNumber(digits, "", 0xff)
	if err != nil || ttl.n == 0 {
		return fmt.Errorf("%q is not a number from 1 to 255", text)
	}
	p.ttl, p.anyHops = uint8(ttl.n), anyHops
	return nil
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
		sig.pattern.eols++
		return nil
	case sig.pattern.eols > 0:
		return fmt.Errorf("%q after the end of the list", text)
	default:
		return sig.parseOption(text)
	}
}

// elements returns the number of options spelled, E included.
func (s *Signature) elements() int { return int(s.layout.n) + int(s.pattern.eols) }

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
