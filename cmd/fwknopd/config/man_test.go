package config

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

var update = flag.Bool("update", false, "write the manual pages anew")

// TestMan checks that the shipped pages match the keyword table.
func TestMan(t *testing.T) {
	for _, f := range []conf.File{conf.ServerFile, conf.AccessFile} {
		name := filepath.Join("..", "man", PageName(f)+".5")
		var got bytes.Buffer
		if err := Man(&got, f); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s is not what the table says; run the test with -update", name)
		}
	}
}

// TestManFormats checks that groff prints no warnings for the pages.
func TestManFormats(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here")
	}
	for _, f := range []conf.File{conf.ServerFile, conf.AccessFile} {
		var page, stdout, stderr bytes.Buffer
		if err := Man(&page, f); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(groff, "-mdoc", "-Tutf8", "-ww", "-z")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = &page, &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v\n%s", f, err, stderr.String())
		}
	}
}

// TestEveryKeywordIsDescribed checks that help and pages cover every keyword.
func TestEveryKeywordIsDescribed(t *testing.T) {
	for f, table := range map[conf.File][]conf.Keyword{conf.ServerFile: conf.ServerKeywords, conf.AccessFile: conf.AccessKeywords} {
		var page bytes.Buffer
		if err := Man(&page, f); err != nil {
			t.Fatal(err)
		}
		for i := range table {
			k := &table[i]
			if !strings.Contains(page.String(), ".It Ic "+k.Name+"\n") {
				t.Errorf("%s(5) lacks %s", f, k.Name)
			}
			for _, name := range append([]conf.Alias{{Name: k.Name}}, k.Aliases...) {
				var stdout, stderr bytes.Buffer
				if code := Help([]string{name.Name}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), k.Text) {
					t.Errorf("help %s: exit %d, %s%s", name.Name, code, stdout.String(), stderr.String())
				}
			}
			if valueText(k) == "" {
				t.Errorf("the value of %s is not described", k.Name)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Help([]string{"fw_access_timeout"}, &stdout, &stderr); code != 0 {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	want := `FW_ACCESS_TIMEOUT (access.conf)
    How long a grant lasts; 0 means for ever in 1.9 files and the default in 2.6 files.
    value:    seconds, 0 to 2147483647 (2.6 files: to 8388608)
    default:  300; in 2.6 files 30
    also:     MAX_ACCESS_TIMEOUT
    from:     manual, 1.9, 2.6
    note:     the 1.9 program took 0 as default against its manual
`
	if got := stdout.String(); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	stdout.Reset()
	code := Help([]string{"OPEN_PORT", "REQUIRE_SOURCE_ADDRESS"}, &stdout, &stderr)
	if code != 1 || stderr.String() != "fwknopd: no keyword OPEN_PORT (did you mean OPEN_PORTS?)\n" {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	if n := strings.Count(stdout.String(), "REQUIRE_SOURCE_ADDRESS ("); n != 2 {
		t.Errorf("REQUIRE_SOURCE_ADDRESS is in two files, described %d times", n)
	}
}
