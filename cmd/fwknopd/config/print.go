package config

import (
	"fmt"
	"io"

	"fwknopd/policy/conf"
)

// Print writes problems, one per line.
func Print(w io.Writer, problems conf.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

// countProblems counts errors and warnings.
func countProblems(problems conf.Problems) (errors, warnings int) {
	for _, p := range problems {
		switch p.Severity {
		case conf.Error:
			errors++
		case conf.Warning:
			warnings++
		}
	}
	return errors, warnings
}
