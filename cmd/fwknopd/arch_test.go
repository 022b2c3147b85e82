package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
)

// mayImport lists, for the one-way flow ingest -> parse -> policy -> enforce, which of
// our packages each package may import directly. cmd may import any package and is
// imported by none outside itself; packages below fixtures are for tests only.
var mayImport = map[string][]string{
	"parse":             nil,
	"enforce":           {"parse", "enforce/schedule"},
	"ingest/safepath":   nil,
	"policy/spa":        {"parse", "policy/openssl"},
	"policy/crypt":      nil,
	"policy/totp":       nil,
	"policy/openssl":    nil,
	"policy/replay":     nil,
	"policy/index":      {"policy/conf"},
	"policy/conf":       {"parse", "enforce", "enforce/quote", "enforce/schedule"},
	"ingest":            {"parse", "ingest/filter", "ingest/safepath"},
	"ingest/filter":     {"parse"},
	"fingerprint":       {"parse"},
	"policy/knock":      {"parse", "fingerprint", "policy/conf", "policy/index", "policy/openssl", "enforce", "enforce/schedule"},
	"policy":            {"parse", "fingerprint", "policy/spa", "policy/crypt", "policy/totp", "policy/replay", "policy/conf", "policy/index", "policy/knock", "enforce", "enforce/quote", "enforce/schedule"},
	"enforce/quote":     nil,
	"enforce/schedule":  nil,
	"enforce/watch":     nil,
	"enforce/ruleset":   {"enforce"},
	"enforce/iptables":  {"enforce", "enforce/command", "enforce/quote", "enforce/ruleset", "enforce/watch"},
	"enforce/nftables":  {"enforce", "enforce/ruleset", "enforce/watch"},
	"enforce/layers":    {"enforce", "enforce/ruleset", "enforce/watch", "enforce/iptables", "enforce/nftables", "enforce/firewalld"},
	"enforce/command":   nil,
	"enforce/ipfw":      {"enforce", "enforce/command"},
	"enforce/journal":   {"enforce"},
	"enforce/external":  {"enforce", "enforce/command", "enforce/journal"},
	"enforce/firewalld": {"enforce", "enforce/journal", "enforce/ruleset"},
	"enforce/conntrack": {"enforce"},
	"enforce/monitor":   {"enforce", "enforce/command", "enforce/quote", "enforce/schedule"},
}

// pure packages do no I/O, read no clock and log nothing.
var pure = []string{"parse", "fingerprint", "policy", "policy/spa", "policy/crypt", "policy/totp", "policy/openssl", "policy/conf", "policy/index", "policy/knock", "enforce", "enforce/quote", "enforce/schedule", "enforce/ruleset", "cmd/fwknopd/report", "cmd/fwknopd/metrics", "cmd/fwknopd/page", "cmd/fwknopd/sources", "cmd/fwknopd/stats", "cmd/fwknop/rc"}

// notInPure are standard packages that a pure package must not import.
var notInPure = []string{"os", "os/exec", "os/signal", "log", "log/slog", "log/syslog", "net", "net/http", "syscall", "golang.org/x/sys/unix"}

// clocks are the functions and methods that read the clock or wait.
var clocks = []string{
	"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker",
	"context.WithTimeout", "context.WithTimeoutCause", "context.WithDeadline", "context.WithDeadlineCause",
	limiter + "Allow", limiter + "Reserve", limiter + "Wait", limiter + "WaitN", limiter + "Tokens", limiter + "SetLimit", limiter + "SetBurst",
	reservation + "Delay", reservation + "Cancel", "(*golang.org/x/time/rate.Sometimes).Do",
}

const (
	limiter     = "(*golang.org/x/time/rate.Limiter)."
	reservation = "(*golang.org/x/time/rate.Reservation)."
)

func TestImportDirections(t *testing.T) {
	for pkg, imports := range packages(t) {
		if pkg == "cmd" || strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "fixtures/") {
			continue
		}
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("package %s is not in the import table", pkg)
		}
		for _, imp := range imports {
			ours, isOurs := strings.CutPrefix(imp, "fwknopd/")
			switch {
			case isOurs && !slices.Contains(allowed, ours):
				t.Errorf("%s must not import %s", pkg, ours)
			case strings.HasPrefix(imp, "github.com/google/gopacket") && pkg != "parse" && pkg != "ingest":
				t.Errorf("%s imports gopacket; only parse and ingest may", pkg)
			case pkg == "parse" && imp == "regexp":
				t.Errorf("parse imports regexp")
			}
		}
	}
}

// TestProcessesAreSeparate checks that only main imports the packages of the two
// processes, so that neither uses code of the other.
func TestProcessesAreSeparate(t *testing.T) {
	all := packages(t)
	for _, process := range []string{"cmd/fwknopd/daemon", "cmd/fwknopd/worker"} {
		if all[process] == nil {
			t.Errorf("package %s does not exist", process)
		}
		for pkg, imports := range all {
			if pkg != "cmd/fwknopd" && slices.Contains(imports, "fwknopd/"+process) {
				t.Errorf("%s must not import %s", pkg, process)
			}
		}
	}
}

// TestFleetIsAProgramOfItsOwn: clients of NATS, Kafka and S3 are linked by fwknopd-fleet alone, which the daemon
// does not import.
func TestFleetIsAProgramOfItsOwn(t *testing.T) {
	const program = "cmd/fwknopd-fleet"
	used := false
	for pkg, imports := range packages(t) {
		inside := pkg == program || strings.HasPrefix(pkg, program+"/")
		for _, imp := range imports {
			large := strings.HasPrefix(imp, "github.com/nats-io/") || strings.HasPrefix(imp, "github.com/twmb/franz-go") || strings.HasPrefix(imp, "github.com/minio/minio-go")
			used = used || large
			if !inside && (large || strings.HasPrefix(imp, "fwknopd/"+program)) {
				t.Errorf("%s must not import %s", pkg, imp)
			}
		}
	}
	if !used {
		t.Error("no package uses NATS")
	}
}

func TestPurePackagesStayPure(t *testing.T) {
	short.Skip(t)
	all := packages(t)
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", exportData(t))
	for _, pkg := range pure {
		if all[pkg] == nil {
			t.Errorf("package %s does not exist", pkg)
		}
		for _, imp := range all[pkg] {
			if slices.Contains(notInPure, imp) {
				t.Errorf("%s is pure and imports %s", pkg, imp)
			}
		}
		for _, use := range clockUses(t, pkg, fset, imp) {
			t.Errorf("%s: a pure package reads the clock", use)
		}
	}
}

// onlyInEngine are the constructors that only package engine may call, so that all
// users of an engine get the same one.
var onlyInEngine = []string{"fwknopd/policy.NewEngine", "fwknopd/fingerprint.NewMatcher", "fwknopd/policy/spa.NewLimiter"}

func TestOneEngine(t *testing.T) {
	made := make(map[string]int)
	for pkg := range packages(t) {
		if !strings.HasPrefix(pkg, "cmd/") {
			continue
		}
		for _, u := range uses(t, pkg) {
			switch what := u.pkg + "." + u.name; {
			case !slices.Contains(onlyInEngine, what):
			case pkg != "cmd/fwknopd/engine":
				t.Errorf("%s: only cmd/fwknopd/engine may", u)
			default:
				made[what]++
			}
		}
	}
	for _, what := range onlyInEngine {
		if made[what] != 1 {
			t.Errorf("cmd/fwknopd/engine uses %s in %d places, want 1", what, made[what])
		}
	}
}

// TestTestsDoNotSleep: outside of synctest, where time is virtual, only fixtures/wait sleeps.
func TestTestsDoNotSleep(t *testing.T) {
	root, sleeps := filepath.Join("..", ".."), regexp.MustCompile(`time\.Sleep\(`)
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		helper := strings.HasPrefix(name, filepath.Join(root, "fixtures")) && filepath.Ext(name) == ".go"
		if err != nil || !helper && !strings.HasSuffix(name, "_test.go") || filepath.Base(name) == "wait.go" {
			return err
		}
		text, err := os.ReadFile(name)
		if sleeps.Match(text) && !bytes.Contains(text, []byte(`"testing/synctest"`)) {
			t.Errorf("%s sleeps; see fixtures/wait", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// packages maps the path of each of our packages below the module to its imports.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "fwknopd/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	m := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		m[strings.TrimPrefix(f[0], "fwknopd/")] = append([]string{}, f[1:]...)
	}
	if len(m) < 5 {
		t.Fatalf("go list found only %d packages", len(m))
	}
	return m
}

// exportData returns a function that opens the export data of what a pure package
// imports.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}
	for _, pkg := range pure {
		args = append(args, "fwknopd/"+pkg)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go list -export: %v", err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[pkg] = file
	}
	return func(pkg string) (io.ReadCloser, error) { return os.Open(files[pkg]) }
}

// clockUses returns the uses of clocks in the non-test files of a package. Methods are
// found by their types.
func clockUses(t *testing.T, pkg string, fset *token.FileSet, imp types.Importer) (found []string) {
	t.Helper()
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Importer: imp}
	files := slices.DeleteFunc(parse(t, fset, pkg), func(f *ast.File) bool { return f.Name.Name == "main" }) // go:generate
	if _, err := conf.Check("fwknopd/"+pkg, fset, files, &info); err != nil {
		t.Fatal(err)
	}
	for id, obj := range info.Uses {
		if f, ok := obj.(*types.Func); ok && slices.Contains(clocks, f.FullName()) {
			found = append(found, fmt.Sprintf("%s: %s", fset.Position(id.Pos()), f.FullName()))
		}
	}
	slices.Sort(found)
	return found
}

// parse parses the non-test files of a package.
func parse(t *testing.T, fset *token.FileSet, pkg string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pkg), "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s (%v)", pkg, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// A use is a selector expression whose left side is an imported package.
type use struct {
	at        token.Position
	pkg, name string // import path, identifier
}

func (u use) String() string { return fmt.Sprintf("%s: %s.%s", u.at, path.Base(u.pkg), u.name) }

// uses returns what the non-test files of a package use of other packages.
func uses(t *testing.T, pkg string) (found []use) {
	t.Helper()
	fset := token.NewFileSet()
	for _, f := range parse(t, fset, pkg) {
		imports := make(map[string]string) // path by the name that the file uses
		for _, imp := range f.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			name := path.Base(p)
			if imp.Name != nil {
				name = imp.Name.Name
			}
			imports[name] = p
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && imports[x.Name] != "" {
					found = append(found, use{fset.Position(s.Pos()), imports[x.Name], s.Sel.Name})
				}
			}
			return true
		})
	}
	return found
}

// TestGuidesNameWhatExists checks that every path in the developers' guides exists.
func TestGuidesNameWhatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	path := regexp.MustCompile("`([a-z.]+(?:/[A-Za-z0-9_.-]+)*)`")
	tops, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, guide := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} {
		text, err := os.ReadFile(filepath.Join(root, guide))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range path.FindAllSubmatch(text, -1) {
			name := string(m[1])
			top, _, below := strings.Cut(name, "/")
			if !below && !strings.HasSuffix(name, ".go") || !slices.Contains(tops, filepath.Join(root, top)) && top != ".ci" {
				continue
			}
			if found++; !exists(filepath.Join(root, name)) {
				t.Errorf("%s names %s, which does not exist", guide, name)
			}
		}
		if found < 10 {
			t.Errorf("%s: %d paths found", guide, found)
		}
	}
}

// TestGuidesNameTests: each test that SECURITY.md names is in the package of its row.
func TestGuidesNameTests(t *testing.T) {
	short.Skip(t)
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	column := regexp.MustCompile("^`([^`]+)`$")
	found := 0
	for line := range strings.Lines(string(text)) {
		names := name.FindAllString(line, -1)
		if len(names) == 0 {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
		dir := column.FindStringSubmatch(strings.TrimSpace(cells[len(cells)-1]))
		if dir == nil {
			t.Errorf("no package: %s", line)
			continue
		}
		tests := testsIn(t, filepath.Join(root, dir[1]))
		for _, n := range names {
			if found++; !tests[n] {
				t.Errorf("SECURITY.md names %s, which is not in %s", n, dir[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("%d tests found", found)
	}
}

// testsIn returns the names of the tests and fuzz targets of a package, for any system.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	tests := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
	}
	return tests
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
