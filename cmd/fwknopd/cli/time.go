package cli

import (
	"fmt"
	"strconv"
	"time"
)

// ParseTime reads a time of the command line: RFC 3339, seconds since 1970, or a date, which is
// its beginning in UTC.
func ParseTime(text string) (time.Time, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither RFC 3339, nor a date, nor seconds since 1970", text)
	}
	return t, nil
}
