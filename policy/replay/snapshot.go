package replay

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// A Snapshot is the content of a journal at one moment, with md5sums behind it, as
// [Replica.Load] reads it: the number of bytes, then the bytes. It stays valid when the
// journal is compacted or closed.
type Snapshot struct {
	parts []*os.File
	size  []int64
}

// Snapshot returns the current content, after a look whether another program has changed
// it.
func (j *Journal) Snapshot() (*Snapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.ready(); err != nil {
		return nil, err
	}
	s := new(Snapshot)
	if err := s.add(j.file, j.size); err != nil {
		return nil, err
	}
	if j.sums == nil {
		return s, nil
	}
	st, err := j.sums.Stat()
	if err == nil {
		err = s.add(diskFile{j.sums}, min(st.Size(), j.opts.MaxSize))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Snapshot) add(f file, size int64) error {
	d, err := f.Duplicate()
	if err != nil {
		return err
	}
	s.parts, s.size = append(s.parts, d), append(s.size, size)
	return nil
}

// WriteTo implements [io.WriterTo]. It writes fewer bytes than announced only if it
// returns an error.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for _, n := range s.size {
		total += n
	}
	n, err := w.Write(binary.BigEndian.AppendUint64(nil, uint64(total)))
	written := int64(n)
	for i := 0; err == nil && i < len(s.parts); i++ {
		var n int64
		n, err = io.Copy(w, io.NewSectionReader(s.parts[i], 0, s.size[i]))
		written += n
		if err == nil && n < s.size[i] {
			err = io.ErrUnexpectedEOF
		}
	}
	return written, err
}

// Close releases the files.
func (s *Snapshot) Close() error {
	var err error
	for _, f := range s.parts {
		err = errors.Join(err, f.Close())
	}
	return err
}
