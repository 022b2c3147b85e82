// Package s3store reads objects of storage with the API of Amazon S3, as files of an archive. Where it is
// and what may be read there is in the environment that the tools of AWS have: AWS_ENDPOINT_URL_S3 or
// AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the file
// ~/.aws/credentials with AWS_PROFILE. Without keys, objects are read that everyone may read.
package s3store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// scheme begins the names of objects: s3://BUCKET/KEY.
const scheme = "s3://"

// IsName reports whether a name is that of an object, or of objects.
func IsName(name string) bool { return strings.HasPrefix(name, scheme) }

// Below reports whether an object is below a folder, s3://BUCKET or s3://BUCKET/PREFIX.
func Below(folder, name string) bool {
	return IsName(folder) && IsName(name) && strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// split returns the bucket and the key of a name.
func split(name string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(name, scheme), "/")
	if bucket == "" {
		return "", "", fmt.Errorf("%s names no bucket: s3://BUCKET/KEY is wanted", name)
	}
	return bucket, key, nil
}

// clients are those that were made, by the URL of their servers.
var clients sync.Map

// maxRetries is how often a request is sent again that the storage did not answer, or refused as too many.
const maxRetries = 3

// connect returns a client for the storage of the environment.
func connect() (*minio.Core, error) {
	endpoint := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	if client, there := clients.Load(endpoint); there {
		return client.(*minio.Core), nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("AWS_ENDPOINT_URL: %q is no URL of a server, as https://s3.example.com", endpoint)
	}
	client, err := minio.NewCore(u.Host, &minio.Options{
		Secure: u.Scheme == "https", Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")), MaxRetries: maxRetries,
		Creds: credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}),
	})
	if err == nil {
		clients.Store(endpoint, client)
	}
	return client, err
}

// List returns the objects that a name stands for: itself, or, where it ends with a slash or is that of a
// bucket, all that are below it, in the order of their names.
func List(ctx context.Context, name string) (names []string, err error) {
	bucket, key, err := split(name)
	if err != nil || key != "" && !strings.HasSuffix(key, "/") {
		return []string{name}, err
	}
	client, err := connect()
	if err != nil {
		return nil, err
	}
	for object := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: key, Recursive: true}) {
		if object.Err != nil {
			return nil, fmt.Errorf("%s: %w", name, reason(object.Err))
		}
		if !strings.HasSuffix(object.Key, "/") { // those stand for folders
			names = append(names, scheme+bucket+"/"+object.Key)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no objects", name)
	}
	return names, nil
}

// ErrChanged is that of an object that is another one by now.
var ErrChanged = errors.New("the object has changed")

// An Object is one of a time: what is read of one that was replaced is [ErrChanged].
type Object struct {
	Size     int64
	ETag     string // "": the storage has none, and what was replaced meanwhile is not noticed
	Modified time.Time

	bucket, key string
}

// Open returns the object of a name. The error of one that does not exist is [fs.ErrNotExist].
func Open(ctx context.Context, name string) (*Object, error) {
	bucket, key, err := split(name)
	if err != nil {
		return nil, err
	}
	client, err := connect()
	if err != nil {
		return nil, err
	}
	info, err := client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return nil, reason(err)
	}
	return &Object{info.Size, info.ETag, info.LastModified, bucket, key}, nil
}

// Section returns a reader of n bytes from an offset on, which the caller closes. They are asked for by
// the first read.
func (o *Object) Section(ctx context.Context, at, n int64) io.ReadCloser {
	return &section{ctx: ctx, of: o, at: at, left: min(n, o.Size-at)}
}

// ReadAt reads from an offset, see [io.ReaderAt].
func (o *Object) ReadAt(ctx context.Context, b []byte, at int64) (int, error) {
	s := o.Section(ctx, at, int64(len(b)))
	defer s.Close()
	n, err := io.ReadFull(s, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// stallTime is how long a section is waited for that yields no bytes.
var stallTime = time.Minute

var errStalled = errors.New("the storage sends nothing any more")

// A section is a part of an object.
type section struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc // nil: it is not open
	of       *Object
	at, left int64
	body     io.ReadCloser
}

func (s *section) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, io.EOF
	}
	if s.cancel == nil {
		s.ctx, s.cancel = context.WithCancelCause(s.ctx)
	}
	stalled := time.AfterFunc(stallTime, func() { s.cancel(errStalled) })
	defer stalled.Stop()
	if s.body == nil {
		if err := s.open(); err != nil {
			return 0, cmp.Or(context.Cause(s.ctx), err)
		}
	}
	n, err := s.body.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	switch {
	case err == nil || n > 0 && s.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, cmp.Or(context.Cause(s.ctx), err)
}

func (s *section) open() error {
	client, err := connect()
	if err != nil {
		return err
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(s.at, s.at+s.left-1); err != nil {
		return err
	}
	if s.of.ETag != "" {
		if err := o.SetMatchETag(s.of.ETag); err != nil {
			return err
		}
	}
	s.body, _, _, err = client.GetObject(s.ctx, s.of.bucket, s.of.key, o)
	return reason(err)
}

func (s *section) Close() error {
	if s.cancel == nil {
		return nil
	}
	s.cancel(nil)
	if s.body == nil {
		return nil
	}
	return s.body.Close()
}

// reason returns what an error of the storage means here.
func reason(err error) error {
	switch response := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case response.StatusCode == http.StatusNotFound:
		return fs.ErrNotExist
	case response.StatusCode == http.StatusForbidden:
		return fs.ErrPermission
	case response.StatusCode == http.StatusPreconditionFailed:
		return ErrChanged
	}
	return err
}
