package rc

import (
	"reflect"
	"strings"
	"testing"
)

const example = `# made by fwknop 2.6
[default]
; of all
SPA_SERVER_PORT: 62201

[gw]
ACCESS              tcp/22   # ssh
KEY                 pass word
[lab]
ACCESS tcp/23
[gw]
FW_TIMEOUT	60;
`

func TestParse(t *testing.T) {
	f, err := Parse("rc", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Names(); !reflect.DeepEqual(got, []string{"gw", "lab"}) {
		t.Errorf("names %q", got)
	}
	for name, want := range map[string][]Entry{
		"default": {{Key: "SPA_SERVER_PORT", Value: "62201", Line: 4}},
		"gw": {
			{Key: "ACCESS", Value: "tcp/22", Line: 7},
			{Key: "KEY", Value: "pass", Line: 8, Cut: true},
			{Key: "FW_TIMEOUT", Value: "60", Line: 12},
		},
		"lab":   {{Key: "ACCESS", Value: "tcp/23", Line: 10}},
		"other": nil,
	} {
		if got := f.Entries(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if f.Has(name) != (want != nil) {
			t.Errorf("Has(%q) is %v", name, f.Has(name))
		}
	}
	if got := f.Where(f.Entries("gw")[1]); got != "rc:8" {
		t.Errorf("place %q", got)
	}
}

// TestCut: what the 2.6 client takes for the value of a line.
func TestCut(t *testing.T) {
	for line, want := range map[string]Entry{
		"KEY a#b":      {Key: "KEY", Value: "a", Cut: true},
		"KEY a;b":      {Key: "KEY", Value: "a", Cut: true},
		"KEY a #b":     {Key: "KEY", Value: "a"},
		"KEY a ;b":     {Key: "KEY", Value: "a"},
		"KEY a;":       {Key: "KEY", Value: "a"},
		"KEY: a=b":     {Key: "KEY", Value: "a=b"},
		"KEY\t a\tb":   {Key: "KEY", Value: "a", Cut: true},
		"  KEY   a   ": {Key: "KEY", Value: "a"},
	} {
		f, err := Parse("rc", []byte("[x]\n"+line+"\r\n"))
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		want.Line = 2
		if got := f.Entries("x"); !reflect.DeepEqual(got, []Entry{want}) {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"ACCESS tcp/22\n":              "rc:1: a setting before the first stanza",
		"[x]\nACCESS\n":                "rc:2: ACCESS has no value",
		"[x]\n\nACCESS=tcp/22\n":       "rc:3: ACCESS=tcp/22 has no value",
		"[x]\nKEY #secret\n":           "rc:2: KEY has no value",
		"[x]\n: 5\n":                   `rc:2: ": 5" has no keyword`,
		"[x\n":                         "rc:1: a stanza begins with [NAME]; the ] is missing",
		"[ ]\n":                        "rc:1: a stanza needs a name",
		"[x] y\n":                      `rc:1: "y" behind the name`,
		strings.Repeat("#", maxSize+1): "rc: larger than",
	} {
		if _, err := Parse("rc", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func TestWith(t *testing.T) {
	f, err := Parse("rc", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.With("gw", []Entry{{Key: "ACCESS", Value: "udp/53"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `# made by fwknop 2.6
[default]
; of all
SPA_SERVER_PORT: 62201

[gw]
ACCESS                      udp/53
[lab]
ACCESS tcp/23
`
	if string(text) != want {
		t.Errorf("got\n%s", text)
	}
	if text, err = f.With("new", []Entry{{Key: "FW_TIMEOUT", Value: "5"}}); err != nil || string(text) != example+"\n[new]\nFW_TIMEOUT                  5\n" {
		t.Errorf("%v\n%s", err, text)
	}
	for _, value := range []string{"a b", "a#b", "a;", "", " a", "a\nKEY b", "a\x00"} {
		if text, err := f.With("x", []Entry{{Key: "KEY", Value: value}}); err == nil {
			t.Errorf("value %q: %s", value, text)
		}
	}
	for _, name := range []string{"", "a]", " a", "a\nb"} {
		if text, err := f.With(name, nil); err == nil {
			t.Errorf("name %q: %s", name, text)
		}
	}
}

// FuzzParse: no file panics, and what is read of one can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("[x]\nKEY a#b\n[x]\n")
	f.Add("[0000000]\n: 0")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("rc", []byte(text))
		if err != nil {
			return
		}
		for _, name := range append(file.Names(), Default) {
			want := file.Entries(name)
			written, err := file.With(name, want)
			if err != nil {
				continue // control characters, which are not written
			}
			again, err := Parse("rc", written)
			if err != nil {
				t.Fatalf("%v\n%q", err, written)
			}
			got := again.Entries(name)
			for i := range want {
				if i >= len(got) || got[i].Key != want[i].Key || got[i].Value != want[i].Value {
					t.Fatalf("%s: %+v became %+v", name, want, got)
				}
			}
			for _, other := range file.Names() {
				if other != name && len(file.Entries(other)) != len(again.Entries(other)) {
					t.Errorf("[%s] changed with [%s]", other, name)
				}
			}
		}
	})
}

// TestSequences: lines of the 1.9 client stand before the first stanza, and stay there.
func TestSequences(t *testing.T) {
	f, err := Parse("rc", []byte("# shared\n10.66.77.1: tcp/5387, udp/6390, icmp, tcp/7840\n2001:db8::1:icmp\n[gw]\nACCESS tcp/22\n"))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]Entry{
		"10.66.77.1":  {Key: "10.66.77.1", Value: "tcp/5387, udp/6390, icmp, tcp/7840", Line: 2},
		"2001:db8::1": {Key: "2001:db8::1", Value: "icmp", Line: 3},
		"gw":          {},
	} {
		if got, ok := f.Sequence(host); got != want || ok != (want.Line > 0) {
			t.Errorf("%s: %+v %v", host, got, ok)
		}
	}
	text, err := f.With("lab", []Entry{{Key: "ACCESS", Value: "tcp/23"}})
	if err != nil || !strings.HasPrefix(string(text), "# shared\n10.66.77.1: tcp/5387, udp") {
		t.Errorf("%v %s", err, text)
	}
	for line, want := range map[string]string{
		"gw: tcp/1\ngw: tcp/2\n":  "rc:2: another sequence for gw",
		"KEY: tcpdump\n":          "rc:1: a setting before the first stanza",
		"gw : tcp/1\n":            "rc:1: a setting before the first stanza",
		": tcp/1\n":               "rc:1: a setting before the first stanza",
		"SPA_SERVER gw.example\n": "rc:1: a setting before the first stanza",
	} {
		if _, err := Parse("rc", []byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}
