package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
)

func TestNames(t *testing.T) {
	for _, test := range []struct {
		folder, name string
		below        bool
	}{
		{"s3://logs", "s3://logs/a", true}, {"s3://logs/", "s3://logs/a", true}, {"s3://logs/gw1", "s3://logs/gw1/a", true},
		{"s3://logs/gw1", "s3://logs/gw10/a", false}, {"s3://logs", "s3://logs2/a", false}, {"/logs", "s3://logs/a", false}, {"s3://logs", "/logs/a", false},
	} {
		if got := Below(test.folder, test.name); got != test.below {
			t.Errorf("%s below %s: %v", test.name, test.folder, got)
		}
	}
}

// A folder and a bucket stand for the objects below them, over all pages of the list.
func TestList(t *testing.T) {
	s := fleetlab.StartS3(t)
	for _, key := range []string{"gw2/kern.log", "gw1/kern.log.1", "gw1/kern.log", "gw10/kern.log", "gw1/", "top.log"} {
		s.Put(key, nil)
	}
	for name, want := range map[string][]string{
		"s3://logs/gw1/":         {"s3://logs/gw1/kern.log", "s3://logs/gw1/kern.log.1"},
		"s3://logs/gw1/kern.log": {"s3://logs/gw1/kern.log"},
		"s3://logs": {"s3://logs/gw1/kern.log", "s3://logs/gw1/kern.log.1", "s3://logs/gw10/kern.log", "s3://logs/gw2/kern.log",
			"s3://logs/top.log"},
	} {
		if got, err := List(t.Context(), name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"s3://logs/gw3/": "no objects", "s3://": "names no bucket", "s3://others/": "permission denied"} {
		if got, err := List(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestObject(t *testing.T) {
	s := fleetlab.StartS3(t)
	text := bytes.Repeat([]byte("0123456789"), 1000)
	name := s.Put("a b/ü.log", text)
	o, err := Open(t.Context(), name)
	if err != nil || o.Size != int64(len(text)) || o.ETag == "" || o.Modified.IsZero() {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, part := range []struct{ at, n, want int64 }{{0, 10, 10}, {5, 100, 100}, {9995, 5, 5}, {9995, 100, 5}, {10000, 1, 0}} {
		got, err := io.ReadAll(o.Section(t.Context(), part.at, part.n))
		if err != nil || !bytes.Equal(got, text[part.at:part.at+part.want]) {
			t.Errorf("section %+v: %d bytes, %v", part, len(got), err)
		}
		b := make([]byte, part.n)
		n, err := o.ReadAt(t.Context(), b, part.at)
		if int64(n) != part.want || (err == nil) != (part.n == part.want) || err != nil && err != io.EOF {
			t.Errorf("ReadAt %+v: %d bytes, %v", part, n, err)
		}
	}
	section := o.Section(t.Context(), 0, 10)
	defer section.Close()
	s.Put("a b/ü.log", []byte("another one"))
	if _, err := io.ReadAll(section); !errors.Is(err, ErrChanged) {
		t.Errorf("an object that was replaced: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, name); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	for name, want := range map[string]error{"s3://logs/missing": fs.ErrNotExist, "s3://others/a": fs.ErrPermission} {
		if _, err := Open(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "storage.example.com")
	if _, err := Open(t.Context(), name); err == nil || !strings.Contains(err.Error(), "is no URL of a server") {
		t.Errorf("no URL: %v", err)
	}
}

// Storage that sends a part of what was asked for and then nothing, or ends the connection, is an error.
func TestStalled(t *testing.T) {
	s := fleetlab.StartS3(t)
	name := s.Put("kern.log", bytes.Repeat([]byte("x"), 1000))
	defer func(was time.Duration) { stallTime = was }(stallTime)
	for how, want := range map[fleetlab.Fault]error{fleetlab.Stalls: errStalled, fleetlab.Breaks: io.ErrUnexpectedEOF} {
		if stallTime = time.Minute; how == fleetlab.Stalls {
			stallTime = 50 * time.Millisecond // or before there is anything, on a busy machine
		}
		o, err := Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		s.Fail(how)
		section := o.Section(t.Context(), 0, o.Size)
		got, err := io.ReadAll(section)
		if !errors.Is(err, want) || len(got) > 500 || how == fleetlab.Breaks && len(got) != 500 {
			t.Errorf("%d: %d bytes, %v", how, len(got), err)
		}
		section.Close()
		s.Fail(0)
	}
}
