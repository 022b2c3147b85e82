package schedule

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
)

// A Count is how often a stanza granted. Uses of a stanza without a number are not counted.
type Count struct {
	Total  int    `json:"total"`            // in all
	Day    string `json:"day,omitempty"`    // the last day with a use of a [Uses] by day, 2006-01-02
	Today  int    `json:"today,omitempty"`  // uses on that day
	Resets int    `json:"resets,omitempty"` // how often the count was set to zero
}

// used returns the uses that count at now. A day before that of the last use, by a clock that
// was set back, counts as that day.
func (c Count) used(u Uses, now time.Time) int {
	switch {
	case !u.Daily:
		return c.Total
	case u.day(now) > c.Day:
		return 0
	}
	return c.Today
}

// add returns c with one more use at now.
func (c Count) add(u Uses, now time.Time) Count {
	c.Total++
	if !u.Daily {
		return c
	}
	if day := u.day(now); day > c.Day {
		c.Day, c.Today = day, 0
	}
	c.Today++
	return c
}

// later returns the later one of two counts of the same stanza.
func later(a, b Count) Count {
	switch {
	case a.Resets != b.Resets:
		if a.Resets > b.Resets {
			return a
		}
		return b
	case a.Day < b.Day:
		a.Day, a.Today = b.Day, b.Today
	case a.Day == b.Day:
		a.Today = max(a.Today, b.Today)
	}
	a.Total = max(a.Total, b.Total)
	return a
}

// Counts are the uses of stanzas by their NAME. The zero value has none; it is not safe for
// concurrent use.
type Counts struct {
	Uses map[string]Count `json:"uses,omitempty"`
	// Doubt is why the counts of stanzas that are not in Uses are not known; "": they are 0.
	Doubt string `json:"doubt,omitempty"`
}

// ErrUnknown: how often the stanza granted is not known.
var ErrUnknown = errors.New("the uses of the stanza are not known")

// Used returns how many of the uses u the stanza has had at now. The error is an
// [ErrUnknown].
func (c *Counts) Used(name string, u Uses, now time.Time) (int, error) {
	n, known := c.Uses[name]
	if !known && c.Doubt != "" {
		return 0, fmt.Errorf("%w: %s", ErrUnknown, c.Doubt)
	}
	return n.used(u, now), nil
}

// Add counts a use at now.
func (c *Counts) Add(name string, u Uses, now time.Time) {
	if c.Uses == nil {
		c.Uses = make(map[string]Count)
	}
	c.Uses[name] = c.Uses[name].add(u, now)
}

// Reset sets the count of a stanza to zero, which ends any doubt about it.
func (c *Counts) Reset(name string) {
	if c.Uses == nil {
		c.Uses = make(map[string]Count)
	}
	c.Uses[name] = Count{Resets: c.Uses[name].Resets + 1}
}

// Merge takes over the later counts of other, which has counted beside c.
func (c *Counts) Merge(other *Counts) {
	for name, n := range other.Uses {
		mine, known := c.Uses[name]
		if !known && c.Doubt != "" {
			continue // what other counted is less than what is in doubt
		}
		if c.Uses == nil {
			c.Uses = make(map[string]Count)
		}
		c.Uses[name] = later(mine, n)
	}
}

// Take replaces the count of one stanza by that of other.
func (c *Counts) Take(other *Counts, name string) {
	n, known := other.Uses[name]
	switch {
	case !known:
		delete(c.Uses, name)
	case c.Uses == nil:
		c.Uses = map[string]Count{name: n}
	default:
		c.Uses[name] = n
	}
}

// Clone returns a copy.
func (c *Counts) Clone() Counts { return Counts{Uses: maps.Clone(c.Uses), Doubt: c.Doubt} }

// countsFile is the text of a file of counts before its sum.
type countsFile struct {
	V int `json:"v"`
	Counts
}

// Format returns c as the text of a file: a line of JSON and its SHA-256.
func (c *Counts) Format() ([]byte, error) {
	text, err := json.Marshal(countsFile{1, *c})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return fmt.Appendf(text, "\n%x\n", sum), nil
}

// errDamaged: a text is not as [Counts.Format] wrote it.
var errDamaged = errors.New("damaged")

// ParseCounts reads what Format has written, whole and unchanged.
func ParseCounts(text []byte) (Counts, error) {
	line, rest, _ := bytes.Cut(text, []byte{'\n'})
	sum := sha256.Sum256(line)
	if string(rest) != hex.EncodeToString(sum[:])+"\n" {
		return Counts{}, fmt.Errorf("%w: the sum does not fit", errDamaged)
	}
	var f countsFile
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&f); err != nil {
		return Counts{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if _, err := in.Token(); err != io.EOF || f.V != 1 {
		return Counts{}, fmt.Errorf("%w: not version 1", errDamaged)
	}
	for name, n := range f.Uses {
		if !n.valid() {
			return Counts{}, fmt.Errorf("%w: %.64q: %+v", errDamaged, name, n)
		}
	}
	return f.Counts, nil
}

// valid reports whether add and Reset lead to the count.
func (c Count) valid() bool {
	_, err := time.Parse(time.DateOnly, c.Day)
	return c.Today >= 0 && c.Total >= c.Today && c.Resets >= 0 && (err == nil || c.Day == "" && c.Today == 0)
}
