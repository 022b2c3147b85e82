package spa

import (
	"bytes"
	"strings"
)

// perlVersion reports the version field of a client of the 0.x and 1.x line, the
// one that swaps the two ports of a NAT request.
func perlVersion(v string) bool {
	return strings.HasPrefix(v, "1.") || strings.HasPrefix(v, "0.")
}

// The first releases of the 1.x line that knew something, as release makes them.
const (
	firstRelease        = 9_003     // 0.9.3
	firstNATRelease     = 1_009_000 // 1.9.0
	firstTimeoutRelease = 1_009_002 // 1.9.2
)

// oldClient refuses, under the rules of 1.9, a version that is none and a type
// that the version did not have. Releases from 2.0 on have no such history.
func (f *fields) oldClient(version []byte) error {
	if !f.rules.Perl19 {
		return nil
	}
	n, ok := release(version)
	switch {
	case !ok:
		return errVersion
	case n < firstRelease,
		n < firstNATRelease && f.typ > Access,
		n < firstTimeoutRelease && f.typ.hasTimeout():
		return errOldVersion
	}
	return nil
}

// release reads N.N or N.N.N, either with -preN, as one comparable number.
func release(v []byte) (int, bool) {
	v, pre, has := bytes.Cut(v, []byte("-pre"))
	if has && !digits(pre) {
		return 0, false
	}
	n, parts := 0, 0
	for more := true; more; parts++ {
		var p []byte
		p, v, more = bytes.Cut(v, []byte("."))
		if parts == 3 || len(p) > 3 || !digits(p) {
			return 0, false
		}
		n = n*1000 + int(number(p))
	}
	if parts == 2 {
		n *= 1000
	}
	return n, parts >= 2
}
