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
)

// headSize is how much of a file is compared.
const headSize = 4 << 10

// sourceOf returns what an open file is; path is what workers call it.
func sourceOf(f *os.File, path string) (s source, err error) {
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

var errNotRegular = errors.New("not a regular file: other machines cannot read it")

// A changedError says that a file is not what the submitter has seen.
type changedError struct{ what string }

func (e changedError) Error() string {
	return "the file has changed since it was submitted: its " + e.what
}

// unchanged returns an error if an open file is not what it was.
func (s *source) unchanged(f *os.File) error {
	now, err := sourceOf(f, s.Path)
	switch {
	case err != nil:
		return err
	case now.Size != s.Size:
		return changedError{fmt.Sprintf("size was %d bytes and is %d", s.Size, now.Size)}
	case now.Mtime != s.Mtime:
		return changedError{"time of modification differs"}
	case !bytes.Equal(now.Head, s.Head):
		return changedError{"first bytes differ"}
	}
	return nil
}

// open opens a file of a segment. With a root its path is one below that, and so is what links in it
// lead to.
func open(root, path string) (*os.File, error) {
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

// pathFor returns what workers call a file: its absolute path, or that below the root.
func pathFor(root, name string) (string, error) {
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
