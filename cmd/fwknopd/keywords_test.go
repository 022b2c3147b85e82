package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestKeywordsHaveAnEffect: a keyword that is not marked as without effect is read by
// some line of the program, outside the table.
func TestKeywordsHaveAnEffect(t *testing.T) {
	var source strings.Builder
	for _, folder := range []string{"ingest", "parse", "policy", "enforce", "fingerprint", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "policy/conf/table_") {
				return err
			}
			text, err := os.ReadFile(name)
			source.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := source.String()
	for _, k := range slices.Concat(conf.ServerKeywords, conf.AccessKeywords) {
		if k.Verdict != conf.Obsolete && !strings.Contains(all, `"`+k.Name+`"`) {
			t.Errorf("%s is read by nothing", k.Name)
		}
	}
}
