package schedule

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// zoneinfo is lib/time/zoneinfo.zip of the Go distribution: the IANA time zone database,
// which is in the public domain. The database of the host is not read, so that a replay on
// another host, and a process that may read no files, decide the same.
//
//go:generate sh -c "cp \"$(go env GOROOT)/lib/time/zoneinfo.zip\" ."
//go:embed zoneinfo.zip
var zoneinfo []byte

// zoneFiles has the files of zoneinfo by the name of the zone.
var zoneFiles = sync.OnceValue(func() map[string]*zip.File {
	r, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic(err) // a test reads it
	}
	files := make(map[string]*zip.File, len(r.File))
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, "/") {
			files[f.Name] = f
		}
	}
	return files
})

// locations has the zones that were loaded, one for each name: equal windows are equal to
// [reflect.DeepEqual].
var locations sync.Map

// location returns the zone of an IANA name; "" and "UTC" are UTC.
func location(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if known, ok := locations.Load(name); ok {
		return known.(*time.Location), nil
	}
	file := zoneFiles()[name]
	if file == nil {
		return nil, unknownZone(name)
	}
	in, err := file.Open()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	loaded, err := time.LoadLocationFromTZData(name, text)
	if err != nil {
		return nil, err
	}
	first, _ := locations.LoadOrStore(name, loaded)
	return first.(*time.Location), nil
}

// unknownZone is the error for a name that is no zone, with the zone that differs from it in
// the case of letters alone, or in what stands before the city.
func unknownZone(name string) error {
	var meant string
	for known := range zoneFiles() {
		city := known[strings.LastIndexByte(known, '/')+1:]
		if strings.EqualFold(known, name) {
			return fmt.Errorf("%q is not a time zone (did you mean %s?)", clip(name), known)
		}
		if strings.EqualFold(city, name) && (meant == "" || known < meant) {
			meant = known
		}
	}
	if meant != "" {
		return fmt.Errorf("%q is not a time zone (did you mean %s?)", clip(name), meant)
	}
	return fmt.Errorf("%q is not a time zone of the IANA database, such as Europe/Berlin, nor UTC", clip(name))
}

// clip bounds a text in an error.
func clip(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
