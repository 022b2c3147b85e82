package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"fwknopd/cmd/fwknopd-fleet/s3store"
)

// headSize is how much of a file is compared.
const headSize = 4 << 10

// A stored file is one that segments are read from.
type stored interface {
	io.ReaderAt
	io.Closer
	// source returns what it is now; path is what workers call it.
	source(path string) (source, error)
	// section returns a reader of n bytes from an offset on.
	section(at, n int64) io.ReadCloser
}

// A localFile is in a file system.
type localFile struct{ *os.File }

func (f localFile) source(path string) (s source, err error) {
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	if info.IsDir() {
		return s, syscall.EISDIR // as reading it says
	}
	if !info.Mode().IsRegular() {
		return s, errNotRegular
	}
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, err
	}
	sum := sha256.Sum256(head[:n])
	return source{Path: path, Size: info.Size(), Mtime: info.ModTime().UnixNano(), Head: sum[:]}, nil
}

func (f localFile) section(at, n int64) io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(f, at, n))
}

var errNotRegular = errors.New("not a regular file: other machines cannot read it")

// A changedError says that a file is not what the submitter has seen.
type changedError struct{ what string }

func (e changedError) Error() string {
	return "the file has changed since it was submitted: its " + e.what
}

// unchanged returns an error if an open file is not what it was.
func (s *source) unchanged(f stored) error {
	now, err := f.source(s.Path)
	switch {
	case err != nil:
		return err
	case now.Size != s.Size:
		return changedError{fmt.Sprintf("size was %d bytes and is %d", s.Size, now.Size)}
	case now.Mtime != s.Mtime:
		return changedError{"time of modification differs"}
	case !bytes.Equal(now.Head, s.Head):
		return changedError{"first bytes differ"}
	case now.ETag != s.ETag:
		return changedError{"ETag differs"}
	}
	return nil
}

// open opens a file of a segment. With a root its path is one below that, and so is what links in it
// lead to.
func open(ctx context.Context, root, path string) (stored, error) {
	if s3store.IsName(path) {
		if root != "" && !s3store.Below(root, path) {
			return nil, fmt.Errorf("%s is not below --root %s", path, root)
		}
		return openObject(ctx, path)
	}
	f, err := openFile(root, path)
	return localFile{f}, err
}

func openFile(root, path string) (*os.File, error) {
	if root == "" {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("%s is below the --root of the submitter; give this worker one too", path)
		}
		return os.Open(path)
	}
	if filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s is not below a --root; give the submitter one too", path)
	}
	return os.OpenInRoot(root, path)
}

// pathFor returns what workers call a file: its absolute path, or that below the root. Objects have one name
// everywhere.
func pathFor(root, name string) (string, error) {
	if s3store.IsName(name) {
		return name, nil
	}
	absolute, err := filepath.Abs(name)
	if err != nil || root == "" {
		return absolute, err
	}
	if root, err = filepath.Abs(root); err != nil {
		return "", err
	}
	path, err := filepath.Rel(root, absolute)
	if err != nil || !filepath.IsLocal(path) {
		return "", fmt.Errorf("%s is not below --root %s", name, root)
	}
	return path, nil
}

// A cancelable reader ends with its context.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelable) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// closers are closed together.
type closers []io.Closer

func (c closers) Close() (err error) {
	for _, one := range c {
		err = errors.Join(err, one.Close())
	}
	return err
}
