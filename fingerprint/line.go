package fingerprint

import (
	"fmt"
	"strings"
)

// A cell is one field of a line and where it stands.
type cell struct {
	text string
	col  int // in bytes, from 1
}

// A fieldError says which field of a line is wrong, and where.
type fieldError struct {
	field field
	err   error
	col   int
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("%s: %v (column %d)", fieldNames[e.field], e.err, e.col)
}

// wrong is an error of the cell, or of what stands at an offset in it.
func (c cell) wrong(field field, offset int, err error) error {
	return &fieldError{field, err, c.col + offset}
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

// splitLine cuts a line into at most six fields and the label. A field ends with a
// colon, the last one may end with a blank instead; a blank behind a colon ends
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

// isLabel tells a label that follows the options at once from quirks: a label has
// four parts. Some genres could be quirks (AIX): there the number must be exact, and
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

// parseLabel reads the marks in front of the genre: - or * for what is not an
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
		return cells[fieldWindow].wrong(fieldWindow, 0, err)
	}
	if err = p.parseTTL(cells[fieldTTL].text); err != nil {
		return cells[fieldTTL].wrong(fieldTTL, 0, err)
	}
	switch df := cells[fieldDF]; df.text {
	case "0":
	case "1":
		p.df = bitSet
	case "*":
		p.df = bitAny
	default:
		return df.wrong(fieldDF, 0, fmt.Errorf("%q is none of 0, 1 and *", df.text))
	}
	if p.size, err = parseNumber(cells[fieldSize].text, "*%", 0xffff); err != nil {
		return cells[fieldSize].wrong(fieldSize, 0, err)
	}
	if offset, err := sig.parseOptions(cells[fieldOptions].text); err != nil {
		return cells[fieldOptions].wrong(fieldOptions, offset, err)
	}
	if len(cells) > int(fieldQuirks) {
		var conds []condition
		if p.quirks, p.exact, conds, err = parseQuirks(cells[fieldQuirks].text); err != nil {
			return cells[fieldQuirks].wrong(fieldQuirks, 0, err)
		}
		if len(conds) > 0 {
			p.conditions = &conds
		}
	}
	return nil
}

// parseTTL reads an initial TTL; a minus behind it says that a packet may have
// started with any that is lower.
func (p *pattern) parseTTL(text string) error {
	digits, anyHops := strings.CutSuffix(text, "-")
	ttl, err := parseNumber(digits, "", 0xff)
	if err != nil || ttl.n == 0 {
		return fmt.Errorf("%q is not a number from 1 to 255", text)
	}
	p.ttl, p.anyHops = uint8(ttl.n), anyHops
	return nil
}
