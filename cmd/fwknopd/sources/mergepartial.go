package sources

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// MergePartial adds what a partial says, of the records after those of c. accept gets what goes with
// it before anything is added, and may refuse it. r is read twice: if the error is [ErrPartial], or
// that of accept, nothing was added. The matchers of both must be of the same signatures.
func (c *Counter) MergePartial(r io.ReadSeeker, accept func(about []byte) error) error {
	check := partialReader{c: c, add: func(*record, *names) {}, kind: func(int32, uint64) {}}
	if err := check.read(r); err != nil {
		return err
	}
	if err := accept(check.about); err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return c.add(r)
}

// add adds a partial that was checked.
func (c *Counter) add(r io.Reader) error {
	t := c.table
	t.flush()
	p := partialReader{c: c, add: func(r *record, n *names) {
		r.rename(n)
		if t.room(1); !t.take(r) {
			t.dropped += uint64(r.syns)
		}
	}}
	p.kind = func(result int32, n uint64) { c.countResult(p.result(result), n) }
	switch err := p.read(r); {
	case errors.Is(err, ErrPartial):
		return errDamaged
	case err != nil:
		return err
	}
	t.syns += p.end.SYNs
	t.dropped += p.end.Dropped
	t.optionless += p.end.Optionless
	t.cut += p.end.Cut
	c.untold += p.untold
	return t.failure()
}

// A partialReader reads a partial, and gives each record to add with the names of its numbers, and each
// result with its SYNs to kind.
type partialReader struct {
	c    *Counter
	add  func(*record, *names)
	kind func(result int32, syns uint64)

	summed summed
	in     *bufio.Reader // of summed
	about  []byte
	end    Totals
	untold uint64

	matched [][]*fingerprint.Signature
	unknown []Unknown
	paths   []parse.TunnelPath
	names   names
	record  record
	since   since
	buf     []byte
}

func (p *partialReader) read(r io.Reader) error {
	p.summed.r = r
	p.in = bufio.NewReaderSize(&p.summed, writeBuffer)
	p.names = names{resultOf: p.result, tunnelOf: p.tunnel}
	magic, err := p.bytes(len(partialMagic))
	if err != nil || string(magic) != partialMagic {
		return badPartial("it does not begin as one of this version")
	}
	sources := 0
	for first := true; ; first = false {
		kind, b, err := p.item()
		switch {
		case err != nil:
			return err
		case first != (kind == itemAbout):
			return badPartial("an item of kind %q where none may be", kind)
		}
		if kind == itemEnd {
			if err := p.decodeEnd(b, sources); err != nil {
				return err
			}
			return p.checkSum()
		}
		if err := p.decode(kind, b); err != nil {
			return badPartial("an item of kind %q: %v", kind, err)
		}
		if kind == itemRecord {
			sources++
		}
	}
}

// item reads an item, which is valid until the next one.
func (p *partialReader) item() (kind byte, b []byte, err error) {
	if kind, err = p.in.ReadByte(); err != nil {
		return 0, nil, cutShort(err)
	}
	n, err := binary.ReadUvarint(p.in)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil, cutShort(err)
	case err != nil || n > MaxAbout || n > maxItem && kind != itemAbout:
		return 0, nil, badPartial("an item of %d bytes", n)
	}
	b, err = p.bytes(int(n))
	return kind, b, err
}

// bytes reads n bytes.
func (p *partialReader) bytes(n int) ([]byte, error) {
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	b := p.buf[:n]
	_, err := io.ReadFull(p.in, b)
	return b, cutShort(err)
}

// cutShort returns err, if it is the end of the partial as that of a damaged one.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badPartial("it is cut short")
	}
	return err
}

// A summed reader has the CRC-32C of what was read.
type summed struct {
	r   io.Reader
	sum uint32
}

func (s *summed) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.sum = crc32.Update(s.sum, castagnoli, b[:n])
	return n, err
}

func (p *partialReader) decodeEnd(b []byte, sources int) error {
	le := binary.LittleEndian
	if len(b) != endSize || le.Uint64(b[40:]) != uint64(sources) {
		return badPartial("it has %d sources, and says otherwise", sources)
	}
	p.end = Totals{SYNs: le.Uint64(b), Dropped: le.Uint64(b[8:]), Optionless: le.Uint64(b[16:]), Cut: le.Uint64(b[24:])}
	p.untold = le.Uint64(b[32:])
	return nil
}

// checkSum reads the sum, behind which nothing may follow.
func (p *partialReader) checkSum() error {
	if _, err := p.bytes(sumSize); err != nil {
		return err
	}
	if _, err := p.in.ReadByte(); !errors.Is(err, io.EOF) {
		return badPartial("something follows it")
	}
	if p.summed.sum != soundSum {
		return badPartial("its checksum is wrong")
	}
	return nil
}

// soundSum is the CRC-32C of anything with its own CRC-32C behind it.
const soundSum = 0x48674bc7

// decode reads what is in an item other than the last.
func (p *partialReader) decode(kind byte, b []byte) (err error) {
	switch kind {
	case itemAbout:
		p.about = append([]byte{}, b...)
	case itemMatched:
		var sigs []*fingerprint.Signature
		if sigs, err = p.signatures(b); err == nil {
			p.matched, err = appendName(p.matched, sigs, maxCombinations)
		}
	case itemUnknown:
		var u Unknown
		if u, err = p.unknownSYN(b); err == nil {
			p.unknown, err = appendName(p.unknown, u, MaxUnknown)
		}
	case itemTunnel:
		var path parse.TunnelPath
		if path, err = decodePath(b); err == nil {
			p.paths, err = appendName(p.paths, path, maxPaths-1)
		}
	case itemKind:
		err = p.decodeKind(b)
	case itemRecord:
		if err = p.checkRecord(b); err == nil {
			p.add(&p.record, &p.names)
		}
	default:
		err = errors.New("no such kind")
	}
	return err
}

func appendName[T any](list []T, name T, most int) ([]T, error) {
	if len(list) >= most {
		return nil, fmt.Errorf("more than %d names", most)
	}
	return append(list, name), nil
}

var (
	errNoName = errors.New("the number of no name")
	errShort  = errors.New("cut short")
	errText   = errors.New("a text that is none")
	errNoPort = errors.New("a port that is none")
)

// checkRecord reads a record and checks what decode does not.
func (p *partialReader) checkRecord(b []byte) error {
	r := &p.record
	if err := r.decode(b); err != nil {
		return errShort
	}
	p.since.add(r)
	for _, result := range r.results {
		if !p.named(int64(result)) {
			return errNoName
		}
	}
	switch {
	case int(r.tunnel) > len(p.paths) && r.tunnel != furtherPath:
		return errNoName
	case r.decided != decided{}:
		return errDecided
	case r.votes > 0 && !p.c.opt.Detail:
		return errDetail
	}
	for i := range r.ports.n {
		if r.ports.port[i] >= 1<<24 || r.ports.count[i] == 0 {
			return errNoPort
		}
	}
	return nil
}

// named reports whether a result has a name.
func (p *partialReader) named(result int64) bool {
	return result >= 0 && result < int64(len(p.matched)) || result < 0 && ^result < int64(len(p.unknown))
}

// decodeKind reads a result and its SYNs.
func (p *partialReader) decodeKind(b []byte) error {
	rest := codec.NewFields(b)
	result, n := rest.Signed(), rest.Number(math.MaxUint64)
	switch {
	case !p.c.opt.Detail:
		return errDetail
	case !rest.Whole():
		return errShort
	case !p.named(result):
		return errNoName
	}
	p.kind(int32(result), n)
	return nil
}

// result returns the number that result r of the partial has in the Counter.
func (p *partialReader) result(r int32) int32 {
	if r >= 0 {
		return int32(p.c.opt.Matcher.IDOf(p.matched[r]))
	}
	return p.c.ids.internBounded(p.unknown[^r])
}

// tunnel returns the number that path i of the partial has in the Counter.
func (p *partialReader) tunnel(i uint16) uint16 {
	if i == 0 || i == furtherPath {
		return i
	}
	return p.c.table.path(p.paths[i-1])
}

// signatures reads the indexes of signatures, which ascend.
func (p *partialReader) signatures(b []byte) (sigs []*fingerprint.Signature, err error) {
	set, next := p.c.opt.Matcher.Set(), uint64(0)
	for rest := codec.NewFields(b); !rest.Whole(); {
		i := rest.Number(uint64(set.Len()))
		if rest.Failed() || i < next || i == uint64(set.Len()) {
			return nil, errNoName
		}
		sigs, next = append(sigs, set.At(int(i))), i+1
	}
	if len(sigs) == 0 {
		return nil, errShort
	}
	return sigs, nil
}

// unknownSYN reads what appendUnknown wrote.
func (p *partialReader) unknownSYN(b []byte) (u Unknown, err error) {
	set, rest := p.c.opt.Matcher.Set(), codec.NewFields(b)
	if u.Text, err = readText(&rest); err != nil {
		return u, err
	}
	nearest := rest.Number(uint64(set.Len()))
	switch {
	case rest.Failed():
		return u, errNoName
	case nearest > 0:
		u.Nearest = set.At(int(nearest - 1))
	}
	for len(rest.Rest()) > 0 && len(u.Differs) < maxDiffers {
		field, err := readText(&rest)
		if err != nil {
			return u, err
		}
		u.Differs = append(u.Differs, field)
	}
	if !rest.Whole() {
		return u, errText
	}
	return u, nil
}

// readText reads a text of ASCII characters that can be printed.
func readText(f *codec.Fields) (string, error) {
	s := string(f.Text(maxItem))
	if f.Failed() {
		return "", errShort
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", errText
		}
	}
	return s, nil
}

func decodePath(b []byte) (path parse.TunnelPath, err error) {
	const each = 6
	if len(b) != each*len(path) {
		return path, errShort
	}
	for i := range path {
		t := b[each*i:]
		path[i] = parse.Tunnel{Kind: parse.TunnelKind(t[0]), Numbered: t[1] == 1, Number: binary.LittleEndian.Uint32(t[2:])}
		if path[i].Kind > parse.IPv6InIP6 || t[1] > 1 || path[i].Kind == 0 && path[i] != (parse.Tunnel{}) {
			return path, errNoName
		}
	}
	if path[0].Kind == 0 {
		return path, errNoName
	}
	return path, nil
}
