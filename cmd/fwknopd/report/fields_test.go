package report

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// TestEveryFieldIsInTheTable: an event has no member without a row, of all kinds of events, of
// the golden file of the daemon, and of the structs that are encoded; and no row is of a member
// that there is not.
func TestEveryFieldIsInTheTable(t *testing.T) {
	seen := make(map[string]bool)
	check := func(name, where string) {
		f, known := fieldOf(name)
		if !known {
			t.Errorf("%s: %s is not in eventFields", where, name)
		}
		seen[f.Name] = true
	}
	golden, err := os.ReadFile("../daemon/testdata/events.golden")
	if err != nil {
		t.Fatal(err)
	}
	objects := samples()
	for line := range strings.Lines(string(golden)) {
		if strings.HasPrefix(line, "{") {
			objects = append(objects, sample{object: line})
		}
	}
	for _, s := range objects {
		var members map[string]any
		if err := json.Unmarshal([]byte(s.object), &members); err != nil {
			t.Fatalf("%v: %s", err, s.object)
		}
		walk(members, "", func(name string) { check(name, s.object) })
	}
	for prefix, v := range map[string]any{"": eventLine{}, "detail.": policy.Detail{}} {
		for f := range fields(reflect.TypeOf(v)) {
			check(prefix+f, reflect.TypeOf(v).String())
		}
	}
	for _, f := range eventFields {
		if !seen[f.Name] {
			t.Errorf("%s is in no event", f.Name)
		}
	}
}

// walk calls take with the name of each member, but not of those inside objects whose members
// are data, or which other pages describe.
func walk(members map[string]any, prefix string, take func(name string)) {
	for name, value := range members {
		take(prefix + name)
		if inner, is := value.(map[string]any); is && name != "reasons" && name != "trace" {
			walk(inner, prefix+name+".", take)
		}
	}
}

// fields yields the JSON names of a struct.
func fields(of reflect.Type) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !yield(name) {
				return
			}
		}
	}
}

// TestEveryKindIsInTheTable: each event that the samples have, and so each kind of the monitor,
// has a row, and each row an event.
func TestEveryKindIsInTheTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range samples() {
		var e Logged
		if err := json.Unmarshal([]byte(s.object), &e); err != nil {
			t.Fatal(err)
		}
		if _, known := eventOf(e.Type, e.Verdict); !known {
			t.Errorf("%s %s is not in eventKinds", e.Type, e.Verdict)
		}
		seen[e.Type+" "+e.Verdict] = true
	}
	for _, k := range eventKinds {
		if !seen[k.Type+" "+k.Verdict] {
			t.Errorf("no event is %s %s", k.Type, k.Verdict)
		}
	}
	kinds := make(map[monitor.Kind]bool)
	for _, ev := range sampleEvents(time.Time{}) {
		kinds[ev.Kind] = true
	}
	for _, k := range monitorKinds(t) {
		if !kinds[k] {
			t.Errorf("no sample of %s", k)
		}
	}
}

// monitorKinds reads the constants of type Kind from the source of the monitor.
func monitorKinds(t *testing.T) (list []monitor.Kind) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../enforce/monitor/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, is := n.(*ast.ValueSpec); is && len(v.Values) == 1 {
			if typ, named := v.Type.(*ast.Ident); named && typ.Name == "Kind" {
				list = append(list, monitor.Kind(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)))
			}
		}
		return true
	})
	if len(list) < 15 {
		t.Fatalf("only %d kinds found: %q", len(list), list)
	}
	return list
}
