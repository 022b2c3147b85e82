package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
	"fwknopd/policy/conf"
)

const (
	confPath   = "fwknopd/policy/conf"
	configPath = "fwknopd/cmd/fwknopd/config"
)

// TestKeywordsHaveAnEffect checks that a keyword is used unless it is marked as without
// effect: code must read the field that its row names, or else name the keyword. The
// table and code that only warns or describes do not count.
func TestKeywordsHaveAnEffect(t *testing.T) {
	short.Skip(t)
	u := readUses(t)
	if len(u.bound) < 150 || len(u.fields) < 150 {
		t.Fatalf("only %d rows with a field and %d fields in use: the test does not read the source right", len(u.bound), len(u.fields))
	}
	for _, k := range slices.Concat(conf.ServerKeywords, conf.AccessKeywords) {
		field, bound := u.bound[k.File.String()+" "+k.Name]
		switch {
		case k.Verdict == conf.Obsolete:
			if bound {
				t.Errorf("%s of %v is marked as without effect and fills %s", k.Name, k.File, field)
			}
		case bound && !u.fields[field]:
			t.Errorf("%s of %v fills %s, which nothing reads", k.Name, k.File, field)
		case !bound && !u.literals[k.Name]:
			t.Errorf("%s of %v is read by nothing", k.Name, k.File)
		}
	}
}

// TestKeywordNamesExist checks that a keyword that is looked up by name is in a table;
// for any other name the position would be empty and the value would panic.
func TestKeywordNamesExist(t *testing.T) {
	short.Skip(t)
	u := readUses(t)
	if len(u.lookups) < 60 {
		t.Fatalf("only %d names are looked up: the test does not read the source right", len(u.lookups))
	}
	for name, where := range u.lookups {
		if conf.Find(conf.ServerFile, name) == nil && conf.Find(conf.AccessFile, name) == nil {
			t.Errorf("%s: there is no keyword %s", where, name)
		}
	}
}

// TestNoValuesByName checks that no code outside policy/conf reads a value by the name of
// its keyword. Values serves the dump and the positions of keywords only.
func TestNoValuesByName(t *testing.T) {
	values := reflect.TypeFor[*conf.Values]()
	allowed := []string{"All", "Changed", "Format", "IsSet", "Place"}
	for i := range values.NumMethod() {
		if name := values.Method(i).Name; !slices.Contains(allowed, name) {
			t.Errorf("conf.Values.%s would let code read values by name", name)
		}
	}
}

// confUses collects what the source of the program uses of the configuration.
type confUses struct {
	bound    map[string]string         // file and keyword -> field, as Server.MaxHops
	fields   map[string]bool           // fields that are read
	lookups  map[string]token.Position // names given to lookups
	literals map[string]bool           // keywords in string literals; in policy/conf only those without a field
}

// A listed is a package in the output of go list.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// readUses type-checks the program, package by package.
func readUses(t *testing.T) *confUses {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles", "fwknopd/cmd/fwknopd")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	exports := make(map[string]string)
	var ours []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, "fwknopd/") {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	u := &confUses{make(map[string]string), make(map[string]bool), make(map[string]token.Position), make(map[string]bool)}
	for _, p := range ours {
		u.readPackage(t, fset, imports, p)
	}
	return u
}

// warnsOnly are files of package config in which the use of a keyword does not count as an effect.
var warnsOnly = []string{"lint.go", "describe.go"}

func (u *confUses) readPackage(t *testing.T, fset *token.FileSet, imports types.Importer, p listed) {
	t.Helper()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	config := types.Config{Importer: imports}
	if _, err := config.Check(p.ImportPath, fset, files, info); err != nil {
		t.Fatal(err)
	}
	isTable := func(i int) bool { return p.ImportPath == confPath && strings.HasPrefix(p.GoFiles[i], "table_") }
	for i, f := range files {
		if isTable(i) {
			u.readTable(f, info)
		}
	}
	for i, f := range files {
		if !isTable(i) && !(p.ImportPath == configPath && slices.Contains(warnsOnly, p.GoFiles[i])) {
			u.readFile(fset, f, info, p.ImportPath == confPath)
		}
	}
}

// readTable records the field that each row names.
func (u *confUses) readTable(f *ast.File, info *types.Info) {
	ast.Inspect(f, func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		var keyword string
		file := conf.ServerFile
		for _, e := range row.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch kv.Key.(*ast.Ident).Name {
			case "Name":
				keyword = strings.Trim(kv.Value.(*ast.BasicLit).Value, `"`)
			case "File":
				file = conf.AccessFile
			case "into", "intoStanza":
				ast.Inspect(kv.Value, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						u.bound[file.String()+" "+keyword] = fieldOf(info.Selections[s])
						return false
					}
					return true
				})
			}
		}
		return true
	})
}

var keywordLiteral = regexp.MustCompile(`^"[A-Za-z0-9_]+"$`)

// Methods whose arguments are names of keywords: everywhere, and in policy/conf.
var (
	lookups       = []string{"Place", "IsSet"}
	lookupsInConf = []string{"lookup", "flag", "meaning", "has", "warn", "invalid", "missing", "which", "withoutEffect", "pos", "at", "pair"}
)

// readFile records the fields that are read, and string literals. In policy/conf a string
// is often part of a message, so it counts only for keywords without a field.
func (u *confUses) readFile(fset *token.FileSet, f *ast.File, info *types.Info, inConf bool) {
	written := make(map[ast.Expr]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				written[e] = true
			}
		case *ast.SelectorExpr:
			if field := fieldOf(info.Selections[n]); field != "" && !written[n] {
				u.fields[field] = true
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(lookups, s.Sel.Name) && !(inConf && slices.Contains(lookupsInConf, s.Sel.Name)) {
				return true
			}
			for _, arg := range n.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && keywordLiteral.MatchString(lit.Value) {
					u.lookups[strings.Trim(lit.Value, `"`)] = fset.Position(lit.Pos())
				}
			}
		case *ast.BasicLit:
			if text := strings.Trim(n.Value, `"`); keywordLiteral.MatchString(n.Value) && !(inConf && u.isBound(text)) {
				u.literals[text] = true
			}
		}
		return true
	})
}

// isBound reports whether the row of the keyword names a field.
func (u *confUses) isBound(keyword string) bool {
	return u.bound[conf.ServerFile.String()+" "+keyword] != "" || u.bound[conf.AccessFile.String()+" "+keyword] != ""
}

// fieldOf returns Struct.Field for a field of a struct of policy/conf, else "".
func fieldOf(s *types.Selection) string {
	if s == nil || s.Kind() != types.FieldVal || s.Obj().Pkg().Path() != confPath {
		return ""
	}
	t := s.Recv()
	for _, i := range s.Index()[:len(s.Index())-1] { // through embedded structs
		t = deref(t).Underlying().(*types.Struct).Field(i).Type()
	}
	named, ok := deref(t).(*types.Named)
	if !ok {
		return ""
	}
	return named.Obj().Name() + "." + s.Obj().Name()
}

func deref(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}
