package fingerprint

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Lines of a file of p0f 3.
const (
	p0f3Section = "[tcp:request]" // SYNs; the other sections are not about them
	p0f3Comment = ';'
)

// isP0f3 reports whether a file is one of p0f 3: its first line that is no comment
// is a setting or the head of a section.
func isP0f3(text []byte) bool {
	for row := range bytes.Lines(text) {
		row = bytes.TrimSpace(row)
		if len(row) == 0 || row[0] == p0f3Comment || row[0] == '#' {
			continue
		}
		key, _, found := bytes.Cut(row, []byte("="))
		return row[0] == '[' || found && string(bytes.TrimSpace(key)) == "classes"
	}
	return false
}

// loadP0f3 reads the SYNs of a file of p0f 3. Each becomes a signature in our own
// syntax.
func (l *loader) loadP0f3(text []byte) {
	label, inside, found := "", false, false
	l.lines(text, p0f3Comment, func(row string) {
		row = strings.TrimSpace(row)
		if row[0] == '[' {
			inside = row == p0f3Section
			found, label = found || inside, ""
			return
		}
		if !inside {
			return
		}
		key, value, _ := strings.Cut(row, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "label":
			var err error
			if label, err = p0f3Label(value); err != nil {
				l.fail(err)
			}
		case "sys": // on which systems a tool runs
		case "sig":
			sigs, err := parseP0f3(value, label)
			l.add(err, sigs...)
		default:
			l.fail(fmt.Errorf("%q is none of label, sys and sig", row))
		}
	})
	if !found && len(l.errs) == 0 {
		l.fail(errors.New("a file of p0f 3 without a section " + p0f3Section))
	}
}

// p0f3Label turns type:class:name:flavor into genre:version:subtype:description.
func p0f3Label(text string) (string, error) {
	cells := strings.SplitN(text, ":", 4)
	if len(cells) != 4 || cells[2] == "" || cells[0] != "s" && cells[0] != "g" {
		return "", fmt.Errorf("label %q: type:class:name:flavor expected, with s or g for the type", text)
	}
	marks, name, flavor := "", cells[2], cells[3]
	if cells[0] == "g" {
		marks = "@"
	}
	if cells[1] == "!" {
		marks += "*"
	}
	return marks + name + ":" + flavor + "::" + strings.TrimSpace(name+" "+flavor), nil
}

// The fields of a SYN's signature of p0f 3.
const (
	p0f3Version = iota
	p0f3TTL
	p0f3OptionsLen // of IP
	p0f3MSS
	p0f3Window // and scale
	p0f3Layout
	p0f3Quirks
	p0f3Payload
	p0f3Fields
)

var p0f3Names = [p0f3Fields]string{"ver", "ittl", "olen", "mss", "wsize", "olayout", "quirks", "pclass"}

// A p0f3Row is a signature of p0f 3 on its way into our syntax.
type p0f3Row struct {
	window, ttl, df string
	layout          string
	size            int  // of the packet without payload
	open            bool // the size is not known
	quirks          quirks
	conditions      string
}

// parseP0f3 reads one signature of p0f 3; one that leaves the payload open is two here.
func parseP0f3(text, label string) (sigs []Signature, err error) {
	if label == "" {
		return nil, errors.New("a signature without a label before it")
	}
	cells := strings.Split(text, ":")
	if len(cells) != p0f3Fields {
		return nil, fmt.Errorf("not a signature: %s expected", strings.Join(p0f3Names[:], ":"))
	}
	r := p0f3Row{size: 40}
	for _, step := range p0f3Steps {
		if err := step.read(&r, cells); err != nil {
			return nil, fmt.Errorf("%s: %w", p0f3Names[step.field], err)
		}
	}
	for _, data := range p0f3Payloads[cells[p0f3Payload]] {
		sig, err := parseLine(r.line(data, label))
		if wrong := (*fieldError)(nil); errors.As(err, &wrong) { // the column is not theirs
			return nil, fmt.Errorf("%s: %w", fieldNames[wrong.field], wrong.err)
		}
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, sig)
	}
	return sigs, nil
}

// line writes the row as a line of our own syntax; data is quirkData or 0.
func (r *p0f3Row) line(data quirks, label string) string {
	size := strconv.Itoa(r.size)
	if data != 0 || r.open {
		size = "*"
	}
	q := string((r.quirks | data).appendTo(nil)) + r.conditions
	return strings.Join([]string{r.window, r.ttl, r.df, size, r.layout, q}, ":") + ": " + label
}

// p0f3Steps read the fields, in an order in which what one needs is there.
var p0f3Steps = []struct {
	field int
	read  func(r *p0f3Row, cells []string) error
}{
	{p0f3Version, (*p0f3Row).readVersion},
	{p0f3TTL, (*p0f3Row).readTTL},
	{p0f3Quirks, (*p0f3Row).readQuirks},
	{p0f3OptionsLen, (*p0f3Row).readOptionsLen},
	{p0f3Window, (*p0f3Row).readWindow},
	{p0f3Layout, (*p0f3Row).readLayout},
	{p0f3Payload, (*p0f3Row).readPayload},
}

// p0f3Payloads are the payloads that a class allows.
var p0f3Payloads = map[string][]quirks{"0": {0}, "+": {quirkData}, "*": {0, quirkData}}

func (r *p0f3Row) readPayload(cells []string) error {
	if p0f3Payloads[cells[p0f3Payload]] == nil {
		return fmt.Errorf("%q is none of 0, + and *", cells[p0f3Payload])
	}
	return nil
}

func (r *p0f3Row) readVersion(cells []string) error {
	switch v := cells[p0f3Version]; v {
	case "*":
	case "4", "6":
		r.conditions = ",ip=" + v
	default:
		return fmt.Errorf("%q is none of 4, 6 and *", v)
	}
	return nil
}

func (r *p0f3Row) readOptionsLen(cells []string) error {
	n, err := parseNumber(cells[p0f3OptionsLen], "", 40)
	if r.size += int(n.n); n.n > 0 {
		r.quirks |= quirkIPOptions
	}
	return err
}

// readTTL reads N, N- (any up to N) and N+D (seen N, D hops away).
func (r *p0f3Row) readTTL(cells []string) error {
	r.ttl = cells[p0f3TTL]
	seen, hops, away := strings.Cut(r.ttl, "+")
	if !away {
		return nil
	}
	n, err := parseNumber(seen, "", 0xff)
	if err != nil {
		return err
	}
	d, err := parseNumber(hops, "", 0xff)
	r.ttl = strconv.Itoa(int(n.n) + int(d.n))
	return err
}

func (r *p0f3Row) readWindow(cells []string) error {
	window, _, found := strings.Cut(cells[p0f3Window], ",")
	if !found {
		return fmt.Errorf("%q is not a window and a scale", cells[p0f3Window])
	}
	r.window = window
	for theirs, ours := range map[string]string{"mss*": "S", "mtu*": "T"} {
		if n, found := strings.CutPrefix(window, theirs); found {
			r.window = ours + n
		}
	}
	return nil
}

// readLayout writes the options and adds the bytes that they take.
func (r *p0f3Row) readLayout(cells []string) error {
	if cells[p0f3Layout] == "" {
		r.layout = "."
		return nil
	}
	var out []string
	size := 0
	for element := range strings.SplitSeq(cells[p0f3Layout], ",") {
		option, n := p0f3Option(element, cells)
		switch {
		case option == "":
			return fmt.Errorf("%q: no such option", element)
		case option[0] == '?' && option != "?5":
			r.open = true // its length is not in the signature
		case option[0] == 'E' && n > 1:
			r.quirks |= quirkPastEnd
			if strings.Contains(cells[p0f3Quirks], "opt+") {
				option = "E" // and anything after it
			}
		}
		out, size = append(out, option), size+n
	}
	r.layout, r.size = strings.Join(out, ","), r.size+(size+3)&^3
	return nil
}

// p0f3Option returns an option in our own syntax and its size; "" is no option.
func p0f3Option(element string, cells []string) (ours string, size int) {
	switch element {
	case "mss":
		return "M" + cells[p0f3MSS], 4
	case "nop":
		return "N", 1
	case "ws":
		_, scale, _ := strings.Cut(cells[p0f3Window], ",")
		return "W" + scale, 3
	case "sok":
		return "S", 2
	case "sack":
		return "?5", 10
	case "ts":
		if strings.Contains(cells[p0f3Quirks], "ts1-") {
			return "T0", 10
		}
		return "T", 10
	}
	if padding, found := strings.CutPrefix(element, "eol+"); found {
		n, err := parseNumber(padding, "", maxElements)
		if err != nil {
			return "", 0
		}
		return "E" + strings.Repeat(",E", int(n.n)), 1 + int(n.n)
	}
	if strings.HasPrefix(element, "?") {
		return element, 0
	}
	return "", 0
}

// readQuirks reads the quirks; those that the record of a SYN does not show, or that
// are not compared here (ECN, flow labels), are ignored.
func (r *p0f3Row) readQuirks(cells []string) error {
	r.df = "0"
	if cells[p0f3Quirks] == "" {
		return nil
	}
	has := make(map[string]bool)
	for name := range strings.SplitSeq(cells[p0f3Quirks], ",") {
		bit, known := p0f3QuirkBits[name]
		if !known {
			return fmt.Errorf("unknown quirk %q", name)
		}
		has[name] = true
		r.quirks |= bit
	}
	if has["df"] {
		r.df = "1"
		if !has["id+"] {
			r.quirks |= quirkZeroID
		}
	}
	if has["seq-"] && !has["ack+"] {
		r.quirks |= quirkSeqAck
	}
	return nil
}

var p0f3QuirkBits = map[string]quirks{
	"df": 0, "id+": 0, "ecn": 0, "flow": 0, "exws": 0, "ts1-": 0,
	"id-": quirkZeroID, "0+": quirkReserved, "seq-": quirkZeroSeq, "ack+": quirkAck,
	"ack-": quirkResetAck, "uptr+": quirkUrgent, "urgf+": quirkFlags, "pushf+": quirkFlags,
	"ts2+": quirkEcho, "opt+": quirkPastEnd, "bad": quirkBroken,
}
