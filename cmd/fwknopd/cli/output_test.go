package cli

import (
	"os"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, tt := range []struct {
		written    string
		code, want int
		said       string
	}{
		{"text", exitOK, exitError, "fwknopd: write /dev/full: "},
		{"text", exitUsage, exitUsage, ""},
		{"", exitOK, exitOK, ""},
	} {
		out := NewOutput(full)
		if tt.written != "" {
			out.Write([]byte(tt.written))
			out.Write([]byte("more"))
		}
		var stderr strings.Builder
		if code := out.Code(Daemon, tt.code, &stderr); code != tt.want || !strings.HasPrefix(stderr.String(), tt.said) || stderr.Len() > 0 && tt.said == "" {
			t.Errorf("%+v: code %d, %q", tt, code, stderr.String())
		}
	}
}

// What is started or asks for the size of a terminal gets the file itself: through a pipe a
// daemon that stays would keep its starter waiting.
func TestFileOfOutput(t *testing.T) {
	if got := File(NewOutput(os.Stderr)); got != os.Stderr {
		t.Errorf("of an output: %v", got)
	}
	var other strings.Builder
	if got := File(&other); got != &other {
		t.Errorf("of another writer: %v", got)
	}
}
