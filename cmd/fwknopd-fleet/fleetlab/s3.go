package fleetlab

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An S3 is a server with what s3store uses of the API of Amazon S3: the heads, ranges and lists of
// objects of one bucket. It lists two at a time.
type S3 struct {
	mu      sync.Mutex
	objects map[string][]byte
	changed time.Time
	gets    int
	fault   Fault
}

// A Fault is what a server does behind half of an object.
type Fault int

const (
	Stalls Fault = iota + 1 // it sends nothing any more
	Breaks                  // it ends the connection
)

// Fail has the server do so from now on; 0: no longer.
func (s *S3) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Bucket is the name of its bucket.
const Bucket = "logs"

// StartS3 starts one, which the environment of this test names.
func StartS3(t *testing.T) *S3 {
	t.Helper()
	s := &S3{objects: make(map[string][]byte), changed: time.Unix(1700000000, 0)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "us-east-1")
	return s
}

// Put puts an object, and returns its name.
func (s *S3) Put(key string, b []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = append([]byte{}, b...)
	return "s3://" + Bucket + "/" + key
}

// Gets returns how many requests for bytes there were.
func (s *S3) Gets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets
}

// ServeHTTP answers a request for the bucket.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, ours := strings.CutPrefix(r.URL.Path, "/"+Bucket+"/")
	switch {
	case !ours || !strings.Contains(r.Header.Get("Authorization"), "Credential=id/"):
		w.WriteHeader(http.StatusForbidden)
	case key == "":
		s.list(w, r)
	default:
		s.serve(w, r, key)
	}
}

func (s *S3) serve(w http.ResponseWriter, r *http.Request, key string) {
	body, fault := s.get(r, key)
	if body == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(body))))
	if fault == 0 || r.Method != http.MethodGet {
		http.ServeContent(w, r, "", s.changed, bytes.NewReader(body)) // with If-Match and Range
		return
	}
	w.Header().Set("Last-Modified", s.changed.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	if fault == Breaks {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
}

// get returns an object, nil if there is none, and what goes wrong with it.
func (s *S3) get(r *http.Request, key string) ([]byte, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodGet {
		s.gets++
	}
	return s.objects[key], s.fault
}

func (s *S3) list(w http.ResponseWriter, r *http.Request) {
	const most = 2
	type object struct {
		Key  string
		Size int
	}
	var result struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []object
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	var keys []string
	for key := range s.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys[:min(most, len(keys))] {
		result.Contents = append(result.Contents, object{key, len(s.objects[key])})
	}
	if len(keys) > most {
		result.IsTruncated, result.NextContinuationToken = true, keys[most-1]
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(result)
}
