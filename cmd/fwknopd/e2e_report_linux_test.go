package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/stats"
)

// What the running daemon writes to EVENT_LOG, in either form, is what stats and report count.
func TestE2EReportOfEventLog(t *testing.T) {
	for _, form := range []string{"json", "ecs"} {
		t.Run(form, func(t *testing.T) {
			s := newDigestSite(t, "EVENT_LOG_FORMAT "+form+";\n") // one message, whose grant has ended
			s.refuses()
			s.stop()
			path := filepath.Join(s.dir, "log", "events.jsonl")
			text, code := s.command("stats", "--json", path)
			line, _, _ := strings.Cut(text[strings.IndexByte(text, '{'):], "\n") // behind what is for standard error
			var sum stats.Summary
			if err := json.Unmarshal([]byte(line), &sum); err != nil || code != 0 {
				t.Fatalf("%d, %v: %s", code, err, text)
			}
			n := make(map[string]uint64)
			for _, d := range sum.Decisions {
				n[d.Verdict+" "+d.Reason] = d.N
			}
			if n["granted spa.granted"] != 1 || n["refused spa.replay"] != 1 {
				t.Errorf("decisions %v", n)
			}
			if g := sum.Grants.Shown; len(g) != 1 || g[0].Ended != report.Expired || g[0].Src != s.Client.V4.String() || g[0].End.IsZero() {
				t.Errorf("grants %+v", g)
			}
			if a := sum.Accounting; a.Malformed != 0 || a.Records != a.Events+a.NotOurs {
				t.Errorf("accounting %+v", a)
			}
			page := filepath.Join(s.dir, "page.html")
			if out, code := s.command("report", path, "--report", page); code != 0 {
				t.Fatalf("%d: %s", code, out)
			}
			if html, err := os.ReadFile(page); err != nil || !strings.Contains(string(html), "spa.replay") {
				t.Errorf("the page: %v", err)
			}
		})
	}
}
