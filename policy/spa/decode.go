package spa

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Limits of the fields, in characters of the plaintext.
const (
	randLen        = 16
	maxUserField   = 64
	maxTimeField   = 12
	maxVersion     = 8
	maxVersionPerl = 16 // under the rules of 1.9: "1.9.12-pre3"
	maxTypeField   = 2
	maxField       = 256  // message, nat, server_auth, timeout
	maxFieldPerl   = 1024 // message under the rules of 1.9
	maxTimeout     = 1 << 16
	maxTimeoutPerl = 1<<31 - 1
	maxFields      = 10
	minFields      = 7
)

// decode checks the digest of plain and then parses its fields into m. The arena is
// scratch space, returned for reuse.
func decode(plain []byte, digests digestSet, rules *Rules, arena []byte, m *Message) ([]byte, error) {
	if !printable(plain) {
		return arena, errPrintable
	}
	cut := bytes.LastIndexByte(plain, ':')
	if cut < 0 {
		return arena, errPrintable
	}
	alg, err := digests.verify(plain[:cut], plain[cut+1:])
	if err != nil {
		if !startsWithRand(plain) {
			return arena, errPrintable
		}
		return arena, err
	}
	if len(plain) < minPlain || len(plain) >= maxPlain {
		return arena, errPlainLen
	}
	f := fields{rules: rules, arena: arena[:0]}
	if err := f.read(plain[:cut]); err != nil {
		return f.arena, err
	}
	ports := m.Ports[:0]
	*m = Message{Plaintext: append(m.Plaintext[:0], plain...), DigestType: alg.name}
	m.Ports = ports
	return f.arena, f.fill(m)
}

// printable reports whether p is ASCII without control characters.
func printable(p []byte) bool {
	const (
		each  = 0x0101010101010101
		high  = 0x80 * each
		space = 0x20 * each
		del   = 0x7f * each
	)
	for ; len(p) >= 8; p = p[8:] { // the high bit of a byte is set if it is below space, or DEL
		v := binary.LittleEndian.Uint64(p)
		if (v|(v-space)|((v^del)-each))&high != 0 {
			return false
		}
	}
	for _, c := range p {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

func startsWithRand(p []byte) bool {
	return len(p) > randLen && p[randLen] == ':' && digits(p[:randLen])
}

// fields are the decoded fields of a plaintext, in one arena, so that a message needs
// one allocation for its strings.
type fields struct {
	rules *Rules
	arena []byte

	rand, user, version, text, nat, auth span
	time                                 int64
	typ                                  Type
	timeout                              uint32
	hasTimeout                           bool
}

// span is a piece of the arena.
type span struct{ from, to int }

// read splits the plaintext and checks the syntax of the fields.
func (f *fields) read(body []byte) error {
	var part [maxFields][]byte
	n := 0
	for more := true; more; n++ {
		if n == maxFields-1 {
			return errFields
		}
		cut := bytes.IndexByte(body, ':')
		if more = cut >= 0; !more {
			part[n] = body
			continue
		}
		part[n], body = body[:cut], body[cut+1:]
	}
	if n < minFields-1 {
		return errFields
	}
	if err := f.readHead(part[:6]); err != nil {
		return err
	}
	return f.readTail(part[6:n])
}

// readHead parses the six fields that every message has.
func (f *fields) readHead(part [][]byte) (err error) {
	if len(part[0]) != randLen || !digits(part[0]) {
		return errRand
	}
	f.rand = f.keep(part[0])
	if f.user, err = f.keepDecoded(part[1], maxUserField, errUser); err != nil {
		return err
	}
	if !isUserName(f.arena[f.user.from:f.user.to]) {
		return errUser
	}
	if len(part[2]) > maxTimeField || !digits(part[2]) {
		return errTime
	}
	f.time = int64(number(part[2]))
	longest := maxVersion
	if f.rules.Perl19 {
		longest = maxVersionPerl
	}
	if len(part[3]) < 1 || len(part[3]) > longest {
		return errVersion
	}
	f.version = f.keep(part[3])
	if len(part[4]) > maxTypeField || !digits(part[4]) || number(part[4]) > uint64(LocalNATAccessTimeout) {
		return errType
	}
	f.typ = Type(number(part[4]))
	limit := maxField
	if f.rules.Perl19 {
		limit = maxFieldPerl
	}
	if f.text, err = f.keepDecoded(part[5], limit, errText); err != nil {
		return err
	}
	return f.checkVersion(part[3])
}

// readTail parses the fields between message and digest: nat, server_auth and timeout,
// each if the type has it.
func (f *fields) readTail(part [][]byte) (err error) {
	if f.typ.HasNAT() {
		if len(part) == 0 {
			return errFields
		}
		if f.nat, err = f.keepDecoded(part[0], maxField, errNAT); err != nil {
			return err
		}
		part = part[1:]
	}
	// The 1.9 client also appends the timeout to a command, where it has no effect.
	last := len(part) - 1
	if f.typ.hasTimeout() || f.typ == Command && last == 0 && digits(part[last]) {
		if last < 0 {
			return errFields
		}
		if err := f.readTimeout(part[last]); err != nil {
			return err
		}
		part = part[:last]
	}
	if len(part) == 0 {
		return nil
	}
	if len(part) > 1 || f.rules.Perl19 && f.typ > Access {
		return errFields
	}
	return f.readAuth(part[0])
}

// readAuth parses the optional server_auth. Servers of 2.x do not decode it, so any
// base64 characters are accepted; if they do not decode there is no password.
func (f *fields) readAuth(p []byte) error {
	if len(p) > maxField || len(p) > 0 && !isBase64(p) {
		return errAuth
	}
	if auth, err := f.keepDecoded(p, maxField, errAuth); err == nil {
		f.auth = auth
	}
	return nil
}

func (f *fields) readTimeout(p []byte) error {
	limit := uint64(maxTimeout)
	if f.rules.Perl19 {
		limit = maxTimeoutPerl
	}
	if len(p) > maxField || !digits(p) {
		return errTimeout
	}
	n := number(p)
	if n > limit {
		return errTimeout
	}
	f.timeout, f.hasTimeout = uint32(n), true
	return nil
}

func (f *fields) keep(p []byte) span {
	from := len(f.arena)
	f.arena = append(f.arena, p...)
	return span{from, len(f.arena)}
}

// keepDecoded decodes a base64 field of 1 to limit characters into the arena.
func (f *fields) keepDecoded(p []byte, limit int, fail error) (span, error) {
	if len(p) < 1 || len(p) > limit {
		return span{}, fail
	}
	from := len(f.arena)
	var err error
	if f.arena, err = decodeBase64(f.arena, p); err != nil {
		return span{}, fail
	}
	return span{from, len(f.arena)}, nil
}

// fill sets the fields of m and parses message and nat.
func (f *fields) fill(m *Message) error {
	all := string(f.arena)
	m.Rand = all[f.rand.from:f.rand.to]
	m.User = all[f.user.from:f.user.to]
	m.Version = all[f.version.from:f.version.to]
	m.Text = all[f.text.from:f.text.to]
	m.NAT = all[f.nat.from:f.nat.to]
	m.ServerAuth = all[f.auth.from:f.auth.to]
	m.Time, m.Type = f.time, f.typ
	m.Timeout, m.HasTimeout = f.timeout, f.hasTimeout
	m.Perl19 = isPerl19Version(m.Version)
	if err := m.readText(f.rules); err != nil {
		return err
	}
	if f.typ.HasNAT() {
		return m.readNAT(f.rules)
	}
	return nil
}

// userNameByte marks printable ASCII without the special characters of shells, paths
// and configuration files.
var userNameByte = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = !strings.ContainsRune(`"/\[]:;|=,+*?<>`, c)
	}
	return t
}()

// isUserName reports whether u is a user name.
func isUserName(u []byte) bool {
	for _, c := range u {
		if !userNameByte[c] {
			return false
		}
	}
	return len(u) > 0
}

// checkVersion refuses, under the rules of 1.9, an invalid version and a message type
// that the version did not have. Releases from 2.0 on have all types.
func (f *fields) checkVersion(version []byte) error {
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

// The first releases of 1.x with a feature, as returned by release.
const (
	firstRelease        = 9_003     // 0.9.3
	firstNATRelease     = 1_009_000 // 1.9.0
	firstTimeoutRelease = 1_009_002 // 1.9.2
)

// release parses N.N or N.N.N, either with -preN, into one comparable number.
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

// isPerl19Version reports whether v is the version of a 0.x or 1.x client, which swaps
// the two ports of a NAT request.
func isPerl19Version(v string) bool {
	return strings.HasPrefix(v, "1.") || strings.HasPrefix(v, "0.")
}

func digits(p []byte) bool {
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(p) > 0
}

// number returns the value of decimal digits, at most 1<<60.
func number(p []byte) uint64 {
	const most = 1 << 60
	var n uint64
	for _, c := range p {
		if n = n*10 + uint64(c-'0'); n > most {
			return most
		}
	}
	return n
}
