package conf

import (
	"fmt"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
)

func TestIncludes(t *testing.T) {
	load := func(files memFS) (*Access, Problems) {
		_, _, a, problems := Load(Options{FS: files, Access: "d/access.conf"})
		return a, problems
	}
	names := func(a *Access) string {
		var s []string
		for i := range a.Stanzas {
			s = append(s, fmt.Sprintf("%s %d", a.Stanzas[i].Pos, a.Stanzas[i].Number))
		}
		return strings.Join(s, ", ")
	}
	t.Run("order of stanzas", func(t *testing.T) {
		a, problems := load(memFS{
			"d/access.conf": c26() + "%include more.conf\nOPEN_PORTS tcp/1\n%include_folder sub;\n" + c26(),
			"d/more.conf":   c26(), "d/sub/b.conf": c26(), "d/sub/a.conf": c26(), "d/sub/c.txt": "nonsense\n", "d/sub/.x.conf": "nonsense\n",
		})
		wantProblems(t, problems)
		if got, want := names(a), "d/access.conf:1 1, d/more.conf:1 2, d/sub/a.conf:1 3, d/sub/b.conf:1 4, d/access.conf:7 5"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := fmt.Sprint(a.Stanzas[0].OpenPorts, a.Stanzas[1].OpenPorts); got != "[tcp/1] []" {
			t.Errorf("a line behind an include belongs to the stanza before it: %s", got)
		}
	})
	t.Run("an included file has its own syntax", func(t *testing.T) {
		a, problems := load(memFS{"d/access.conf": "%include old.conf\n" + c26(), "d/old.conf": perl19()})
		wantProblems(t, problems)
		if a.Stanzas[0].OpenPortsAny || !a.Stanzas[1].OpenPortsAny {
			t.Error("dialects are mixed up")
		}
	})
	t.Run("keys", func(t *testing.T) {
		a, problems := load(memFS{"d/access.conf": "SOURCE ANY\n%include_keys k\n", "d/k": "KEY sixteen letters!\nHMAC_KEY another of them\n"})
		wantProblems(t, problems)
		if s := a.Stanzas[0]; string(s.Key.Bytes()) != "sixteen letters!" || string(s.HMACKey.Bytes()) != "another of them" {
			t.Error("keys were not taken")
		}
	})
	deep := memFS{"d/access.conf": "# \n%include 1\n", "d/1": "\n%include 2\n", "d/2": "%include 3\n", "d/3": c26()}
	t.Run("three deep", func(t *testing.T) {
		_, problems := load(deep)
		wantProblems(t, problems)
	})
	t.Run("four deep", func(t *testing.T) {
		deep["d/3"], deep["d/4"] = "%include 4\n", c26()
		_, problems := load(deep)
		wantProblems(t, problems,
			"d/access.conf:2: %include: includes are deeper than 3 files: d/access.conf -> d/1 -> d/2 -> d/3 -> d/4")
	})
	for _, tt := range []struct {
		name  string
		files memFS
		want  string
	}{
		{"itself", memFS{"d/access.conf": c26() + "%include access.conf\n"}, "d/access.conf:4: %include: files include each other: d/access.conf -> d/access.conf"},
		{"each other", memFS{"d/access.conf": c26() + "%include b\n", "d/b": c26() + "%include ../d/access.conf\n"}, "d/access.conf:4: %include: files include each other: d/access.conf -> d/b -> d/access.conf"},
		{"missing", memFS{"d/access.conf": c26() + "%include b\n"}, "d/access.conf:4: %include: cannot read b: file does not exist"},
		{"missing folder", memFS{"d/access.conf": c26() + "%include_folder b\n"}, "d/access.conf:4: %include_folder: cannot read the folder b: file does not exist"},
		{"missing keys", memFS{"d/access.conf": c26() + "SOURCE ANY\n%include_keys b\n"}, "d/access.conf:5: %include_keys: cannot read b: file does not exist"},
		{"keys outside", memFS{"d/access.conf": "%include_keys b\n" + c26(), "d/b": ""}, "d/access.conf:1: %include_keys: stands before the first SOURCE"},
		{"more than keys", memFS{"d/access.conf": "SOURCE ANY\n%include_keys b\n", "d/b": "KEY sixteen letters!\nOPEN_PORTS tcp/22\n"}, "d/b:2: OPEN_PORTS: a file of keys may hold keys only"},
		{"bad key", memFS{"d/access.conf": "SOURCE ANY\n%include_keys b\n", "d/b": "KEY_BASE64 ***\n"}, "d/b:1: KEY_BASE64: not base64"},
		{"misspelt", memFS{"d/access.conf": c26() + "%inclued b\n"}, "d/access.conf:4: %inclued: unknown directive (did you mean %include?)"},
		{"no name", memFS{"d/access.conf": c26() + "%include\n"}, "d/access.conf:4: %include: no value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := load(tt.files)
			var found bool
			for _, p := range problems {
				found = found || p.String() == tt.want
			}
			if !found {
				t.Errorf("no problem %q in\n%v", tt.want, problems)
			}
		})
	}
}

// TestStanzaAt: of several stanzas at a line it is the last that was read.
func TestStanzaAt(t *testing.T) {
	_, _, a, problems := Load(Options{FS: memFS{"d/access.conf": c26("%include a") + "\n" + c26(), "d/a": c26()}, Access: "d/access.conf"})
	wantProblems(t, problems)
	for line, want := range map[int]string{1: "d/a", 5: "d/access.conf"} {
		if s := a.StanzaAt(line); s == nil || s.Pos.File != want {
			t.Errorf("the stanza of line %d is %+v, want that of %s", line, s, want)
		}
	}
	if s := a.StanzaAt(0); s != nil {
		t.Errorf("there is a stanza at line 0: %v", s.Pos)
	}
}

func TestAccessFolder(t *testing.T) {
	o := Options{FS: memFS{"d/2.conf": c26(), "d/1.conf": perl19()}, AccessFolder: "d"}
	_, _, a, problems := Load(o)
	wantProblems(t, problems)
	if len(a.Stanzas) != 2 || a.Stanzas[0].Pos.File != "d/1.conf" {
		t.Errorf("stanzas %v", a.Stanzas)
	}
	_, _, a, problems = Load(Options{FS: memFS{"m": "ACCESS_FOLDER /d;\n", "/d/1.conf": "%include 1\n", "/d/1": "%include 2\n", "/d/2": "%include 3\n", "/d/3": c26()}, Server: "m"})
	wantProblems(t, problems)
	if len(a.Stanzas) != 1 {
		t.Errorf("stanzas %v", a.Stanzas)
	}
	o.AccessFolder = "none"
	_, _, _, problems = Load(o)
	if !problems.Failed() {
		t.Error("a missing folder is accepted")
	}
}

// TestTooMuch: a tree of includes cannot be made to grow without end.
func TestTooMuch(t *testing.T) {
	short.Skip(t)
	files := memFS{"access.conf": strings.Repeat("%include a\n", 100), "a": strings.Repeat("%include b\n", 100), "b": strings.Repeat("%include c\n", 100), "c": c26()}
	_, _, a, problems := Load(Options{FS: files, Access: "access.conf"})
	if !problems.Failed() || !strings.Contains(problems.Error(), "more than 50256 files") {
		t.Errorf("problems: %v", problems)
	}
	if len(a.Stanzas) > maxFiles {
		t.Errorf("%d stanzas", len(a.Stanzas))
	}
	_, _, _, problems = loadText("", strings.Repeat(c26(), MaxStanzas+5))
	wantProblems(t, problems, fmt.Sprintf("access.conf:%d: SOURCE: more than %d stanzas", MaxStanzas*3+1, MaxStanzas))
}
