package ingest

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxDictionary bounds the memory that unpacking one input may take: what
// `xz -9` and `zstd --long` need, and no more.
const maxDictionary = 128 << 20

// magicSize is how many bytes identify an input.
const magicSize = 24

// The first bytes of packed files.
const (
	gzipMagic  = "\x1f\x8b"
	bzip2Magic = "BZh"
	zstdMagic  = "\x28\xb5\x2f\xfd"
	xzMagic    = "\xfd7zXZ\x00"
)

var errDictionary = errors.New("xz dictionary too large")

// unpack returns a reader of what r holds, magic being its first bytes, and the
// name of the compression; r itself and "" if there is none.
func unpack(magic []byte, r io.Reader) (io.Reader, string, error) {
	switch {
	case hasPrefix(magic, gzipMagic):
		z, err := newGunzip(r)
		return z, "gzip", err
	case hasPrefix(magic, bzip2Magic) && len(magic) >= 4 && magic[3] >= '1' && magic[3] <= '9':
		return bzip2.NewReader(r), "bzip2", nil
	case hasPrefix(magic, zstdMagic), skippable(magic):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxDictionary))
		if err != nil {
			return nil, "zstd", err
		}
		return z.IOReadCloser(), "zstd", nil
	case hasPrefix(magic, xzMagic):
		if dictionary(magic) > maxDictionary {
			return nil, "xz", errDictionary
		}
		z, err := xz.NewReader(r)
		return z, "xz", err
	}
	return r, "", nil
}

// A gunzip reads the members of a gzip file, and like gzip(1) passes over the zeros that
// tapes and crashes leave behind them.
type gunzip struct {
	packed *bufio.Reader
	*gzip.Reader
}

func newGunzip(r io.Reader) (*gunzip, error) {
	packed := bufio.NewReader(r)
	member, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	return &gunzip{packed, member}, nil
}

func (z *gunzip) Read(b []byte) (int, error) {
	n, err := z.Reader.Read(b)
	if n > 0 || err != io.EOF {
		return n, err
	}
	if err := z.skipZeros(); err != nil {
		return 0, err
	}
	if err := z.Reset(z.packed); err != nil {
		return 0, err
	}
	z.Multistream(false)
	return 0, nil
}

// skipZeros reads on to the next member, or to the end.
func (z *gunzip) skipZeros() error {
	for {
		c, err := z.packed.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return z.packed.UnreadByte()
		}
	}
}

func hasPrefix(b []byte, magic string) bool {
	return len(b) >= len(magic) && string(b[:len(magic)]) == magic
}

// skippable reports a skippable frame, with which pzstd begins.
func skippable(b []byte) bool {
	return len(b) >= 4 && b[0]&0xf0 == 0x50 && string(b[1:4]) == "\x2a\x4d\x18"
}

// dictionary returns the size of the LZMA2 dictionary of an xz file's first block,
// for its decoder allocates what the file asks for, 4 GiB if it likes. The stream
// header has 12 bytes; the block header its size, flags, two optional sizes that
// streaming writers leave out, and the filters: 0x21, 1, size.
func dictionary(magic []byte) int64 {
	const lzma2 = 0x21
	if len(magic) < 17 || magic[13] != 0 || magic[14] != lzma2 {
		return 0
	}
	exp := magic[16] & 0x3f
	return int64(2|exp&1) << (exp/2 + 11) // xz file format, section 5.3.1
}
