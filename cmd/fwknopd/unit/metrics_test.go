package unit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"fwknopd/cmd/fwknopd/metrics"
)

// promtool runs the tool of Prometheus in the folder of its examples.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	need(t, "promtool")
	cmd := exec.Command("promtool", args...)
	cmd.Dir = "integration/prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The alert rules are right, and each of them fires when it should and not when all is well.
func TestAlertRules(t *testing.T) {
	promtool(t, "check", "rules", "fwknopd.rules.yml")
	promtool(t, "test", "rules", "fwknopd.test.yml")
	promtool(t, "check", "config", "prometheus.yml")
	tested, err := os.ReadFile("integration/prometheus/fwknopd.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range alertRules(t) {
		if strings.Count(string(tested), "alertname: "+r.Alert+"\n")+strings.Count(string(tested), "alertname: "+r.Alert+"}") != 2 {
			t.Errorf("%s is not tested both ways", r.Alert)
		}
		checkNames(t, r.Expr)
	}
}

type alertRule struct{ Alert, Expr string }

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alertRule } }
	text, err := os.ReadFile("integration/prometheus/fwknopd.rules.yml")
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) < 5 {
		t.Fatalf("%v: %+v", err, file)
	}
	return file.Groups[0].Rules
}

// The dashboard has queries of metrics that there are, in a language that Prometheus reads,
// and its panels do not overlap.
func TestDashboard(t *testing.T) {
	var board struct {
		UID        string
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("integration/grafana/fwknopd.json")
	if err == nil {
		err = json.Unmarshal(text, &board)
	}
	if err != nil || board.UID == "" || len(board.Panels) < 10 {
		t.Fatalf("%v: %+v", err, board)
	}
	taken, used := make(map[[2]int]string), make(map[string]bool)
	rules := []map[string]string{}
	for _, p := range board.Panels {
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" || at[0] >= 24 {
					t.Fatalf("%s overlaps %q or the edge", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, name := range checkNames(t, target.Expr) {
				used[name] = true
			}
			rules = append(rules, map[string]string{"record": "x:y", "expr": strings.NewReplacer("$__rate_interval", "5m", "$instance", "gate").Replace(target.Expr)})
		}
	}
	for _, f := range metrics.Families() {
		if strings.HasPrefix(f.Name, "fwknop_") && !used[f.Name] && f.Name != "fwknop_config_last_reload_success_timestamp_seconds" {
			t.Errorf("%s is in no panel", f.Name)
		}
	}
	checkExpressions(t, rules)
}

// checkExpressions has promtool read expressions as recording rules.
func checkExpressions(t *testing.T, rules []map[string]string) {
	t.Helper()
	for i, r := range rules { // the names must differ
		r["record"] = fmt.Sprint("dashboard:query", i)
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", name)
}

var (
	metricName  = regexp.MustCompile(`\b(?:fwknop|process)_[a-z_]+\b`)
	ofHistogram = regexp.MustCompile(`_(?:bucket|sum|count)$`)
)

// checkNames returns the metrics that an expression names, each of which has to exist.
func checkNames(t *testing.T, expr string) (names []string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		i := slices.IndexFunc(metrics.Families(), func(f metrics.Family) bool {
			if f.Kind == metrics.Histogram {
				return name != f.Name && ofHistogram.ReplaceAllString(name, "") == f.Name
			}
			return name == f.Name
		})
		if i < 0 {
			t.Errorf("there is no metric %s: %s", name, expr)
			continue
		}
		names = append(names, metrics.Families()[i].Name)
	}
	return names
}
