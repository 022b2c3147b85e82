package replay

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
	"time"
)

// header is the first line of a journal: it names the columns.
const header = "# fwknopd digests: <digest> <seen> <sent> <proto> <src> <sport> <dst> <dport> <digest of the wire text>\n"

// horizonMark begins the line with the horizon.
const horizonMark = "# dropped what was sent before "

// begunMark begins the line with the time from which on there are records, of a journal that began
// without those of before.
const begunMark = "# begun without the records of before "

// newestMark begins the line with the latest time stamp of an accepted message, if that
// message may have been dropped.
const newestMark = "# newest message was sent "

// stamp is the layout of both times: RFC 3339 in UTC, microseconds.
const stamp = "2006-01-02T15:04:05.000000Z"

// maxSent is the last second that stamp can express, at the end of the year 9999.
const maxSent = 253402300799

// maxLine bounds a line; ours have at most 260 bytes (two IPv6 addresses).
const maxLine = 512

var (
	errFormat = errors.New("not a digest line of any known shape")
	errDigest = errors.New("digest of unknown length or alphabet")
	errTime   = errors.New("time not understood")
)

// appendLine adds the line of a record to b.
func appendLine(b []byte, seen time.Time, r *Record) []byte {
	b = base64.RawStdEncoding.AppendEncode(b, r.Key[:])
	b = seen.UTC().AppendFormat(append(b, ' '), stamp)
	b = append(b, ' ')
	if r.Sent == 0 {
		b = append(b, '-')
	} else {
		b = time.Unix(r.Sent, 0).UTC().AppendFormat(b, stamp)
	}
	b = strconv.AppendUint(append(b, ' '), uint64(r.Proto), 10)
	b = appendAddrPort(b, r.Src)
	b = appendAddrPort(b, r.Dst)
	if r.Wire != [sha256.Size]byte{} {
		b = base64.RawStdEncoding.AppendEncode(append(b, ' '), r.Wire[:])
	}
	return append(b, '\n')
}

// appendAddrPort adds " address port"; an invalid address is "-".
func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	b = append(b, ' ')
	if a.IsValid() {
		b = a.Addr().WithZone("").AppendTo(b)
	} else {
		b = append(b, '-')
	}
	return strconv.AppendUint(append(b, ' '), uint64(a.Port()), 10)
}

// appendMark adds a line that keeps a time over a restart.
func appendMark(b []byte, mark string, t time.Time) []byte {
	b = append(b, mark...)
	return append(t.UTC().AppendFormat(b, stamp), '\n')
}

// A parser parses the five formats of digest lines: that of this daemon, those of 1.9
// with and without a time, the digest alone of earlier versions, and the seven columns
// of 2.6. Its fields are scratch space.
type parser struct {
	maxAge time.Duration // assumed between time stamp and arrival in formats without the stamp
	field  [10][]byte
	raw    [64]byte
}

// parse returns the record of one line, without its newline.
func (p *parser) parse(line []byte) (record, digestKind, error) {
	f := p.split(line)
	switch {
	case len(f) == 0 || len(f) > 9:
		return record{}, 0, errFormat
	case bytes.IndexByte(f[0], '.') >= 0 || bytes.IndexByte(f[0], ':') >= 0:
		return p.parsePerl19(line, f)
	case len(f) == 1:
		return p.parseDigest(f[0])
	case len(f) == 7:
		return p.parseC26(f)
	case len(f) == 8, len(f) == 9:
		return p.parseOwn(f)
	}
	return record{}, 0, errFormat
}

// split cuts line at blanks into at most ten fields, one more than any format has.
func (p *parser) split(line []byte) [][]byte {
	f := p.field[:0]
	for i := 0; i < len(line) && len(f) < cap(f); {
		if line[i] == ' ' {
			i++
			continue
		}
		end := bytes.IndexByte(line[i:], ' ')
		if end < 0 {
			end = len(line) - i
		}
		f = append(f, line[i:i+end])
		i += end
	}
	return f
}

// parseOwn is DIGEST SEEN SENT PROTO SRC SPORT DST DPORT, and since the monitor writes
// the journal the digest of the text on the wire behind it, which 2.6 needs.
func (p *parser) parseOwn(f [][]byte) (record, digestKind, error) {
	r, _, err := p.parseDigest(f[0])
	if err != nil {
		return r, 0, err
	}
	if len(f[0]) != 43 {
		return r, 0, errDigest
	}
	seen, err := parseStamp(f[1])
	if err != nil {
		return r, 0, err
	}
	r.seen, r.keep = seen.UnixMicro(), forever
	if string(f[2]) != "-" {
		sent, err := parseStamp(f[2])
		if err != nil {
			return r, 0, err
		}
		r.sent = sent.Unix()
		r.keep = max(seen.Unix(), r.sent)
	}
	if string(f[4]) != "-" {
		if r.src, err = parseAddr(f[4]); err != nil {
			return r, 0, err
		}
	}
	if len(f) == 9 && len(f[8]) != 43 {
		return r, 0, errDigest
	}
	return r, 0, checkNumbers(f[3], f[5], f[7])
}

// parseC26 is DIGEST PROTO SRC SPORT DST DPORT EPOCH.
func (p *parser) parseC26(f [][]byte) (record, digestKind, error) {
	r, kind, err := p.parseDigest(f[0])
	if err != nil {
		return r, 0, err
	}
	if kind != sha256Body {
		return r, 0, errDigest
	}
	if r.src, err = parseAddr(f[2]); err != nil {
		return r, 0, err
	}
	if err := checkNumbers(f[1], f[3], f[5]); err != nil {
		return r, 0, err
	}
	epoch, err := parseUint(f[6], 1<<40)
	if err != nil {
		return r, 0, errTime
	}
	p.setTimes(&r, time.Unix(int64(epoch), 0))
	return r, sha256Wire, nil
}

// parsePerl19 is IP DIGEST, or with the local time in brackets behind it.
func (p *parser) parsePerl19(line []byte, f [][]byte) (record, digestKind, error) {
	if len(f) < 2 {
		return record{}, 0, errFormat
	}
	r, kind, err := p.parseDigest(f[1])
	if err != nil {
		return r, 0, err
	}
	if r.src, err = parseAddr(f[0]); err != nil {
		return r, 0, err
	}
	if len(f) == 2 {
		return r, kind, nil
	}
	open, end := bytes.IndexByte(line, '['), bytes.LastIndexByte(line, ']')
	if open < 0 || end < open || len(f) != 7 {
		return r, 0, errFormat
	}
	t, err := time.ParseInLocation(time.ANSIC, string(line[open+1:end]), time.Local)
	if err != nil {
		return r, 0, errTime
	}
	p.setTimes(&r, t)
	return r, kind, nil
}

// parseDigest parses a digest, whose kind follows from its length.
func (p *parser) parseDigest(text []byte) (record, digestKind, error) {
	r := record{keep: forever}
	decode, kind := base64.RawStdEncoding.Decode, digestKind(0)
	switch len(text) {
	case 22:
		kind = md5Digest
	case 27:
		kind = sha1Digest
	case 32:
		kind, decode = md5Digest, hex.Decode
	case 43:
		kind = sha256Body
	default:
		return r, 0, errDigest
	}
	if n, err := decode(p.raw[:], text); err != nil || n < md5.Size {
		return r, 0, errDigest
	}
	r.id = idOf(p.raw[:])
	return r, kind, nil
}

// setTimes sets the times of a record whose format lacks the client's time stamp, which
// may be up to maxAge later.
func (p *parser) setTimes(r *record, seen time.Time) {
	r.seen, r.keep, r.sent = seen.UnixMicro(), seen.Add(p.maxAge).Unix(), seen.Unix()
}

func parseStamp(b []byte) (time.Time, error) {
	t, err := time.Parse(stamp, string(b))
	if err != nil {
		return t, errTime
	}
	return t, nil
}

// parseAddr parses an address. IPv4 has a parser of its own for speed: a cache may have
// a million lines.
func parseAddr(b []byte) ([16]byte, error) {
	if a, ok := parseIPv4(b); ok {
		return netip.AddrFrom4(a).As16(), nil
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		return [16]byte{}, errFormat
	}
	return a.WithZone("").As16(), nil
}

func parseIPv4(b []byte) (a [4]byte, ok bool) {
	for i := range a {
		end := bytes.IndexByte(b, '.')
		if i == len(a)-1 {
			end = len(b)
		}
		if end < 0 {
			return a, false
		}
		n, err := parseUint(b[:end], 256)
		if err != nil {
			return a, false
		}
		a[i], b = byte(n), b[min(end+1, len(b)):]
	}
	return a, true
}

// checkNumbers checks columns that are not stored: protocol and ports.
func checkNumbers(fields ...[]byte) error {
	for _, f := range fields {
		if _, err := parseUint(f, 1<<16); err != nil {
			return err
		}
	}
	return nil
}

// parseUint parses decimal digits; the number must be below limit.
func parseUint(b []byte, limit uint64) (uint64, error) {
	if len(b) == 0 || len(b) > 13 {
		return 0, errFormat
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errFormat
		}
		n = 10*n + uint64(c-'0')
	}
	if n >= limit {
		return 0, errFormat
	}
	return n, nil
}
