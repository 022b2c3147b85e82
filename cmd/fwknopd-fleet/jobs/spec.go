package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/fingerprint"
)

// A spec is what all segments of a job are read with.
type spec struct {
	Release    string       // of the submitter, and of the workers that take its segments
	Replay     *replay.Spec // nil: a report, for which the following are
	Unmatched  bool         // the report has SYNs that no signature fits
	Summary    bool         // a summary in place of a report
	Seed       [2]uint64    // random, for a summary, see [stats.Stats.UseSeed]; not known when the job is named
	Inner      bool
	MaxHops    int
	Memory     int       // of a worker
	Part       int64     // bytes of a segment that are an object each; 0: workers read the files
	Now        time.Time // dates stamps without a year
	Zone       []byte    // the time zone of such stamps, as in a TZif file; none: ZoneName
	ZoneName   string    // in the time zone database; "": UTC
	Signatures string    // a signature file; "": those of the release
}

// newSpec returns the spec of a report or a summary, or of a replay if there is one.
func newSpec(o *osreport.Options, summary bool, decide *replay.Job) (s *spec, err error) {
	s = &spec{Release: cli.Release, Summary: summary, Now: o.Now}
	if decide != nil {
		of := decide.Spec()
		s.Replay = &of
	} else {
		s.Unmatched, s.Inner, s.MaxHops, s.Memory = o.JSON || o.Verbose, o.Inner, o.MaxHops, o.Memory
		if err = s.setSignatures(o.Signatures); err != nil {
			return nil, fmt.Errorf("signatures: %w", err)
		}
	}
	s.Zone, s.ZoneName, err = zone(o.Now)
	return s, err
}

func (s *spec) setSignatures(set *fingerprint.Set) error {
	if set == fingerprint.Default() {
		return nil
	}
	var file strings.Builder
	file.WriteString("# of the submitter\n")
	for i := range set.Len() {
		sig := set.At(i)
		file.WriteString(sig.Text + ":" + sig.Label + "\n")
	}
	s.Signatures = file.String()
	passed, err := s.signatures()
	if err == nil && !sameSignatures(passed, set) {
		err = errors.New("they cannot be passed on to workers")
	}
	return err
}

func (s *spec) signatures() (*fingerprint.Set, error) {
	if s.Signatures == "" {
		return fingerprint.Default(), nil
	}
	return fingerprint.Load("the job's signatures", []byte(s.Signatures))
}

// sameSignatures reports whether two sets report the same.
func sameSignatures(a, b *fingerprint.Set) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		x, y := a.At(i), b.At(i)
		if x.Text != y.Text || x.Label != y.Label || x.Generic != y.Generic {
			return false
		}
	}
	return true
}

// options returns the options that a worker reads segments with.
func (s *spec) options() (o osreport.Options, err error) {
	if s.Release != cli.Release {
		return o, fmt.Errorf("the job is one of release %s, this is %s: workers must be of the same", s.Release, cli.Release)
	}
	set, err := s.signatures()
	if err != nil {
		return o, err
	}
	where := time.UTC
	if s.Zone != nil {
		where, err = time.LoadLocationFromTZData("Local", s.Zone)
	} else if s.ZoneName != "" {
		where, err = time.LoadLocation(s.ZoneName)
	}
	if err != nil {
		return o, fmt.Errorf("the job's time zone: %w", err)
	}
	return osreport.Options{
		Systems: engine.Systems{Signatures: set, MaxHops: s.MaxHops}, JSON: s.Unmatched, Inner: s.Inner, Memory: s.Memory, Now: s.Now.In(where),
	}, nil
}

// maxZone bounds a TZif file; those of the database have some KiB.
const maxZone = 1 << 20

// zone returns the time zone of now: if that is the local one, what time.Local was made of.
func zone(now time.Time) (data []byte, name string, err error) {
	if now.Location() != time.Local {
		return nil, now.Location().String(), nil
	}
	tz, set := os.LookupEnv("TZ")
	file := "/etc/localtime"
	if set {
		file = strings.TrimPrefix(tz, ":")
	}
	switch {
	case file == "":
		return nil, "", nil
	case !filepath.IsAbs(file):
		_, err = time.LoadLocation(file)
		return nil, file, err
	}
	if data, err = os.ReadFile(file); err != nil || len(data) > maxZone {
		return nil, "", fmt.Errorf("the time zone, for workers elsewhere: %w", cmp.Or(err, errors.New(file+" is too large")))
	}
	return data, "", nil
}
