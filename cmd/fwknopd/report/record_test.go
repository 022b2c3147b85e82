package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"fwknopd/policy"
)

// A record may have every reason that package policy has, and no other.
func TestRecordReasons(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../policy/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Type == nil || spec.Type.(*ast.Ident).Name != "Reason" {
			return true
		}
		n++
		reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !decisionReasons[policy.Reason(reason)] {
			t.Errorf("%s is not a reason of a record (%v)", spec.Names[0].Name, err)
		}
		return true
	})
	if n == 0 || n != len(decisionReasons) {
		t.Errorf("%d reasons, a record may have %d", n, len(decisionReasons))
	}
}
