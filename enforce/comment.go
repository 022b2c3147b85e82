package enforce

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// A Comment is the comment of a rule or set element. Its text form is
//
//	_exp_1700000036 fwknopd:3:1d7e9a40 -624ms
//
// The first word is the expiry in seconds of the epoch, rounded up, as the C
// daemon and its tools write and read it; it is missing for a grant without end.
// The second names the stanza and which grant the rule is a part of, the third
// takes the expiry back to its millisecond.
type Comment struct {
	Expires time.Time // zero: no end
	Stanza  int       // 0: not one of ours
	Tag     uint32    // see [Grant.Tag]; 0: not one of ours
}

// ExpiryPrefix precedes the expiry, in comments and in what programs read.
const ExpiryPrefix = "_exp_"

const ourPrefix = "fwknopd:"

// Tag returns a short hash of the key, which the rules of one grant have in common.
func (g Grant) Tag() uint32 {
	h := fnv.New32a()
	h.Write([]byte(g.Key()))
	return max(h.Sum32(), 1)
}

// Comment returns the comment of g's rules.
func (g Grant) Comment() Comment {
	return Comment{Expires: g.Expires, Stanza: g.Stanza, Tag: g.Tag()}
}

// CeilSecond returns the first full second at or after t, which is truncated to
// milliseconds.
func CeilSecond(t time.Time) int64 {
	return (t.UnixMilli() + 999) / 1000
}

// String returns the text form.
func (c Comment) String() string {
	ours := fmt.Sprintf("%s%d:%08x", ourPrefix, c.Stanza, c.Tag)
	if c.Expires.IsZero() {
		return ours
	}
	epoch := CeilSecond(c.Expires)
	text := ExpiryPrefix + strconv.FormatInt(epoch, 10) + " " + ours
	if early := epoch*1000 - c.Expires.UnixMilli(); early != 0 {
		text += fmt.Sprintf(" -%dms", early)
	}
	return text
}

// ParseComment reads the text form, ours or the C daemon's bare "_exp_<epoch>";
// ok is false for comments that are neither. Unknown words are ignored.
func ParseComment(text string) (c Comment, ok bool) {
	var early int64
	for word := range strings.FieldsSeq(text) {
		switch {
		case strings.HasPrefix(word, ExpiryPrefix):
			epoch, err := strconv.ParseInt(word[len(ExpiryPrefix):], 10, 64)
			if err != nil || epoch <= 0 || epoch > maxEpoch {
				return Comment{}, false
			}
			c.Expires, ok = time.Unix(epoch, 0), true
		case strings.HasPrefix(word, ourPrefix):
			if c.Stanza, c.Tag, ok = parseOurs(word[len(ourPrefix):]); !ok {
				return Comment{}, false
			}
		case strings.HasPrefix(word, "-") && strings.HasSuffix(word, "ms"):
			early = parseEarly(word)
		}
	}
	if ok && !c.Expires.IsZero() {
		c.Expires = c.Expires.Add(-time.Duration(early) * time.Millisecond)
	}
	return c, ok
}

// maxEpoch keeps the arithmetic on expiries far from overflow (year 9999).
const maxEpoch = 253402300799

func parseOurs(s string) (stanza int, tag uint32, ok bool) {
	line, hex, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(line, 10, 31)
	if err != nil {
		return 0, 0, false
	}
	t, err := strconv.ParseUint(hex, 16, 32)
	return int(n), uint32(t), err == nil
}

func parseEarly(word string) int64 {
	n, err := strconv.ParseInt(word[1:len(word)-2], 10, 64)
	if err != nil || n < 0 || n > 999 {
		return 0
	}
	return n
}
