package config

import (
	"fmt"
	"os"
	"strings"

	"fwknopd/fingerprint"
)

// Signatures returns the fingerprints to use: the built-in ones, or those of the last
// FILE in names instead, and in addition those of every +FILE. p0fFile is the FILE or
// +FILE of the configuration, "" for none; names take precedence over it.
func Signatures(p0fFile string, names []string, read func(name string) ([]byte, error)) (*fingerprint.Set, error) {
	if p0fFile != "" {
		names = append([]string{p0fFile}, names...)
	}
	var base *fingerprint.Set
	var more []*fingerprint.Set
	for _, name := range names {
		file, add := strings.CutPrefix(name, "+")
		text, err := read(file)
		if err != nil {
			return nil, err
		}
		set, err := fingerprint.Load(file, text)
		switch {
		case err != nil:
			return nil, err
		case add:
			more = append(more, set)
		case set.Len() == 0:
			return nil, fmt.Errorf("%s: holds no signature", file)
		default:
			base = set
		}
	}
	if base == nil {
		base = fingerprint.Default()
	}
	for _, set := range more {
		base = base.With(set)
	}
	return base, nil
}

// SignatureText returns the content of the file that Server.P0fFile names, nil for
// none.
func SignatureText(p0fFile string) ([]byte, error) {
	if p0fFile == "" {
		return nil, nil
	}
	return os.ReadFile(strings.TrimPrefix(p0fFile, "+"))
}
