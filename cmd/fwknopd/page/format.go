package page

import (
	"strconv"
	"time"
)

// none stands where there is nothing to say.
const none = "–"

// plain returns a number for machines.
func plain(n uint64) string { return strconv.FormatUint(n, 10) }

// number returns a number with commas between thousands.
func number[T int | uint64](n T) string {
	digits := strconv.FormatUint(uint64(n), 10)
	out := make([]byte, 0, len(digits)*4/3+1)
	for i, c := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, c)
	}
	return string(out)
}

// counted returns a number and its noun.
func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// share returns part of whole in per cent, "" if there is no whole.
func share(part, whole uint64) string {
	if whole == 0 {
		return ""
	}
	percent := float64(part) / float64(whole) * 100
	switch {
	case part > 0 && percent < 0.1:
		return "<0.1 %"
	case percent < 10 && part > 0:
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + " %"
}

// clock returns a time in UTC, to the second. It sorts as text.
func clock(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.DateTime)
}

// span returns a duration as its two largest units, such as "3 h 20 min".
func span(d time.Duration) string {
	units := []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		n := d / u.of
		if n == 0 {
			continue
		}
		text := strconv.FormatInt(int64(n), 10) + " " + u.name
		if i+1 < len(units) {
			if rest := d % u.of / units[i+1].of; rest > 0 {
				text += " " + strconv.FormatInt(int64(rest), 10) + " " + units[i+1].name
			}
		}
		return text
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
}

// size returns a number of bytes in a unit that suits it.
func size(n uint64) string {
	const unit = 1024
	value, name := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < unit {
			break
		}
		value, name = value/unit, next
	}
	if name == "B" {
		return plain(n) + " B"
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + name
}
