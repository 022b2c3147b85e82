package conf

import (
	"strings"
	"testing"
)

// TestLinesOfTwoFiles: stanzas that begin in lines of the same number are an error where the monitor
// could not tell which of them a request is for.
func TestLinesOfTwoFiles(t *testing.T) {
	const twin = "SOURCE ANY\nKEY other\nOPEN_PORTS tcp/22\n"
	for _, c := range []struct {
		name, first, second string
		want                string
	}{
		{"neither", "", "", ""},
		{"one runs commands", "ENABLE_CMD_EXEC Y\n", "", ""},
		{"both run commands", "ENABLE_CMD_EXEC Y\n", "ENABLE_CMD_EXEC Y\n", "SOURCE: the stanza runs commands, as the one at "},
		{"the first has uses", "NAME a\nACCESS_USES 3\n", "", "SOURCE: is in a line of the same number as that of the stanza at "},
		{"the second has uses", "", "NAME a\nACCESS_USES 3\n", "SOURCE: is in a line of the same number as that of the stanza at "},
		{"a shadow stanza has uses", "NAME a\nACCESS_USES 3\nSHADOW Y\n", "", ""},
		{"one that is off has uses", "NAME a\nACCESS_USES 3\nENABLED N\n", "", ""},
	} {
		fs := memFS{"access.conf": "%include_folder /stanzas\n", "/stanzas/a.conf": twin + c.first, "/stanzas/b.conf": twin + c.second}
		_, _, _, problems := Load(Options{Access: "access.conf", FS: fs})
		var errors []string
		for _, p := range problems {
			if p.Severity == Error {
				errors = append(errors, p.String())
			}
		}
		if got := strings.Join(errors, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) || len(errors) > 1 {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
