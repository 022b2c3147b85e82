package ingest

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"fwknopd/parse"
)

// peekRecords bounds how many records are read to find the first one with a time.
const peekRecords = 20_000

// takeRecords bounds how many records Takes looks at.
const takeRecords = 20

// InOrder sorts files by the times of their first records, and reports whether that
// changed anything: a shell puts kern.log before the older kern.log.1. Only the
// beginning of each is read. What can only be read once (standard input, a pipe) and
// what has no time in its first records keeps its place.
// ref gives stamps without a year theirs; zero is now. lines, if not nil, is asked for each line,
// see [Reader.Lines].
func InOrder(files []string, ref time.Time, lines LineFunc) (sorted []string, moved bool) {
	if len(files) < 2 {
		return files, false
	}
	var known []dated
	var places []int
	for i, name := range files {
		if t := firstTime(name, ref, lines); !t.IsZero() {
			known, places = append(known, dated{name, t}), append(places, i)
		}
	}
	byTime := func(a, b dated) int { return a.first.Compare(b.first) }
	if slices.IsSortedFunc(known, byTime) {
		return files, false
	}
	slices.SortStableFunc(known, byTime)
	sorted = slices.Clone(files)
	for i, place := range places {
		sorted[place] = known[i].name
	}
	return sorted, true
}

// dated is a file and the time of its first record.
type dated struct {
	name  string
	first time.Time
}

// firstTime returns the time of the first record of a file that has one, or zero.
func firstTime(name string, ref time.Time, lines LineFunc) time.Time {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return time.Time{}
	}
	r := newReader(ReadOptions{Ref: ref})
	r.names = []string{name}
	r.Lines(lines)
	defer r.Close()
	return r.firstTime()
}

func (r *Reader) firstTime() time.Time {
	var ev parse.Event
	for range peekRecords {
		err := r.Next(context.Background(), &ev)
		switch {
		case err == nil && dateKnown(ev.Time):
			return ev.Time
		case err != nil && !errors.Is(err, parse.ErrSkip):
			return time.Time{}
		}
	}
	return time.Time{}
}

// dateKnown reports whether t is a date, rather than none or the time since the machine
// started.
func dateKnown(t time.Time) bool { return t.Year() > time.Unix(0, 0).UTC().Year() }

// Takes reports whether lines takes one of the first records of a file that can be read more
// than once.
func Takes(name string, lines LineFunc) bool {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	r, found := newReader(ReadOptions{}), false
	r.names = []string{name}
	r.Lines(func(line []byte, ev *parse.Event) (bool, error) {
		taken, err := lines(line, ev)
		found = found || taken
		return taken, err
	})
	defer r.Close()
	var ev parse.Event
	for range takeRecords {
		if err := r.Next(context.Background(), &ev); found || err != nil && !errors.Is(err, parse.ErrSkip) {
			break
		}
	}
	return found
}
