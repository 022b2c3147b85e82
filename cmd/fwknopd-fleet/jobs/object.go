package jobs

import (
	"context"
	"errors"
	"io"

	"fwknopd/cmd/fwknopd-fleet/s3store"
)

// An object is a stored file in S3-like storage. What is read of one that was replaced since it was
// opened is a changedError.
type object struct {
	ctx context.Context
	*s3store.Object
}

func openObject(ctx context.Context, name string) (stored, error) {
	o, err := s3store.Open(ctx, name)
	return object{ctx, o}, err
}

// source returns what it was when it was opened; each reading of it compares that.
func (o object) source(path string) (source, error) {
	return source{Path: path, Size: o.Size, Mtime: o.Modified.UnixNano(), ETag: o.ETag}, nil
}

func (o object) ReadAt(b []byte, at int64) (int, error) { return o.Object.ReadAt(o.ctx, b, at) }

func (o object) section(at, n int64) io.ReadCloser {
	return objectSection{o.Section(o.ctx, at, n)}
}

func (o object) Close() error { return nil }

type objectSection struct{ io.ReadCloser }

func (s objectSection) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	if errors.Is(err, s3store.ErrChanged) {
		err = changedError{"ETag differs"}
	}
	return n, err
}
