package main

import (
	"os"
	"regexp"
	"testing"
)

// TestManNamesKeywords: fwknop(8) names every keyword of the rc file, and no other.
func TestManNamesKeywords(t *testing.T) {
	page, err := os.ReadFile("man/fwknop.8")
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for _, line := range regexp.MustCompile(`(?m)^\.(?:It )?Cm [A-Z].*$`).FindAllString(string(page), -1) {
		for _, name := range regexp.MustCompile(`[A-Z]+[A-Z0-9_]{2,}`).FindAllString(line, -1) {
			named[name] = true
			if findKeyword(name) == nil {
				t.Errorf("there is no keyword %s", name)
			}
		}
	}
	for _, k := range keywords {
		if !named[k.name] {
			t.Errorf("%s is missing", k.name)
		}
	}
}
