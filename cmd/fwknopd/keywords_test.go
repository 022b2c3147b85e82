package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestKeywordsHaveAnEffect: a keyword that is not marked as without effect is read by
// some line of the program, outside the table.
func TestKeywordsHaveAnEffect(t *testing.T) {
	list, err := exec.Command("git", "ls-files", "../../*.go").Output()
	if err != nil {
		t.Skip("needs the files as git lists them: ", err)
	}
	var source strings.Builder
	for name := range strings.FieldsSeq(string(list)) {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "policy/conf/table_") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	all := source.String()
	for _, k := range slices.Concat(conf.ServerKeywords, conf.AccessKeywords) {
		if k.Verdict != conf.Obsolete && !strings.Contains(all, `"`+k.Name+`"`) {
			t.Errorf("%s is read by nothing", k.Name)
		}
	}
}
