package config

import (
	"fmt"
	"io"

	"fwknopd/policy/conf"
)

// Print writes problems, one a line.
func Print(w io.Writer, problems conf.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
}

// count tells errors from warnings.
func count(problems conf.Problems) (errors, warnings int) {
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
