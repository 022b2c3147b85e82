package jobs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/osreport"
)

// objectsOf puts files into S3-like storage and returns options that read them there, in their order.
func objectsOf(t *testing.T, s *fleetlab.S3, files []string) (o osreport.Options) {
	t.Helper()
	o = optionsFor(nil)
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Inputs = append(o.Inputs, s.Put(fmt.Sprintf("gw %d/%s", i, filepath.Base(name)), text))
	}
	return o
}

// regular returns the files of an archive that can be read.
func regular(t *testing.T, files []string) (list []string) {
	t.Helper()
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			list = append(list, name)
		}
	}
	return list
}

// What is read of objects is what one process reports of the files, but for their names: also where the
// submitter uploads them, and in the order of a list.
func TestObjects(t *testing.T) {
	storage := fleetlab.StartS3(t)
	files := regular(t, archive(t, 3000))
	local := optionsFor(files)
	local.AsGiven = true
	want := plain(t, local)
	named := objectsOf(t, storage, files)
	names := make([]string, 0, 2*len(files))
	for i := range files {
		names = append(names, named.Inputs[i], files[i])
	}
	for name, test := range map[string]struct {
		set    func(*Submitter)
		inputs []string
	}{
		"workers":  {func(*Submitter) {}, named.Inputs},
		"uploaded": {upload, named.Inputs},
		"some":     {func(*Submitter) {}, append(files[:1:1], named.Inputs[1:]...)},
	} {
		t.Run(name, func(t *testing.T) {
			o := named
			o.Inputs = test.inputs
			s := newSite(t, o, t.TempDir(), test.set)
			before := storage.Gets()
			s.worker(t.Context(), t, 2)
			got := s.submit(t.Context())
			replace := strings.NewReplacer(names...)
			got.stdout, got.stderr, got.failure = replace.Replace(got.stdout), replace.Replace(got.stderr), replace.Replace(got.failure)
			want.compare(t, got)
			if storage.Gets() == before {
				t.Error("nothing was read from the storage")
			}
		})
	}
}

// An object that is replaced after it was submitted is named; one that is not there, and one that a worker
// may not read, too.
func TestObjectsLost(t *testing.T) {
	storage := fleetlab.StartS3(t)
	files := regular(t, archive(t, 3000))[:1]
	o := objectsOf(t, storage, files)
	o.Inputs = append(o.Inputs, "s3://"+fleetlab.Bucket+"/missing.log")
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, o, t.TempDir())
	storage.Put("gw 0/"+filepath.Base(files[0]), bytes.ToUpper(text))
	s.worker(t.Context(), t, 2)
	got := s.submit(t.Context())
	for _, want := range []string{o.Inputs[0] + ": bytes 0 to ", "ETag differs", o.Inputs[1] + ": file does not exist"} {
		if !strings.Contains(got.failure, want) {
			t.Errorf("no %q in\n%s", want, got.failure)
		}
	}
}

// A worker with a root reads no other objects.
func TestObjectRoot(t *testing.T) {
	storage := fleetlab.StartS3(t)
	name := storage.Put("gw1/kern.log", []byte("x"))
	for root, opens := range map[string]bool{"": true, "s3://logs": true, "s3://logs/gw1/": true, "s3://logs/gw": false, "/var/log": false} {
		f, err := open(t.Context(), root, name)
		if (err == nil) != opens {
			t.Errorf("root %q: %v", root, err)
		}
		if err == nil {
			f.Close()
		}
	}
}
