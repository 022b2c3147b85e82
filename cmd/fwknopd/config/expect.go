package config

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"fwknopd/policy/conf"
)

// An Outcome is the engine's decision on an expectation's packet.
type Outcome struct {
	Verdict string // granted, refused, command, ignored
	Reason  string // the decision's reason code
	Ports   []conf.Port
	For     time.Duration // of the grant; 0: no expiry
	Text    string        // describes the decision, for the report
}

// A Runner passes an expectation's packet to an engine of the configuration and
// returns its decision. An error means that the expectation cannot be run, for example
// because its capture cannot be read.
type Runner func(*Loaded, conf.Expectation) (Outcome, error)

// mismatch returns how an outcome differs from the expected one; "" if it does not.
func mismatch(e conf.Expectation, o Outcome) string {
	got := o.Verdict
	if o.Reason != "" {
		got += " " + o.Reason
	}
	if o.Text != "" {
		got += " (" + o.Text + ")"
	}
	switch {
	case e.Verdict != o.Verdict:
		return fmt.Sprintf("expected %s, decided %s", e.Verdict, got)
	case e.Reason != "" && e.Reason != o.Reason:
		return fmt.Sprintf("expected %s %s, decided %s", e.Verdict, e.Reason, got)
	case e.Opens != nil && !samePorts(e.Opens, o.Ports):
		return fmt.Sprintf("expected to open %s, opened %s", ports(e.Opens), ports(o.Ports))
	case e.For != 0 && e.For != o.For:
		return fmt.Sprintf("expected to open for %s, opened for %s", e.For, o.For)
	}
	return ""
}

func samePorts(a, b []conf.Port) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		if !slices.Contains(b, p) {
			return false
		}
	}
	return true
}

// readExpectations reads a file of EXPECT lines; the keyword may be left out.
func readExpectations(name string) ([]conf.Expectation, conf.Problems) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, conf.Problems{{Pos: conf.Pos{File: name}, Text: "cannot read: " + err.Error()}}
	}
	var out []conf.Expectation
	var problems conf.Problems
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, conf.MaxFileSize)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSuffix(line, ";")
		for _, prefix := range []string{"EXPECT:", "EXPECT "} {
			line = strings.TrimPrefix(line, prefix)
		}
		pos := conf.Pos{File: name, Line: n}
		e, err := conf.ParseExpectation(strings.TrimSpace(line))
		if err != nil {
			problems = append(problems, conf.Problem{Pos: pos, Keyword: "EXPECT", Text: err.Error()})
			continue
		}
		e.Pos = pos
		out = append(out, e)
	}
	return out, problems
}
