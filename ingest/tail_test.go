package ingest

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kern.log")
	appendTo(t, path, line(1))
	f, err := followTail(path, FollowOptions{ReadOptions: ReadOptions{Ref: testRef}})
	ok(t, err)
	p := newTap(t, f)
	p.quiet()
	appendTo(t, path, line(2)+logLine(3)[:20])
	p.want("2")
	appendTo(t, path, logLine(3)[20:]+"\n")
	p.want("3")
	appendTo(t, path, strings.Repeat("x", 2*maxLine+5)+logLine(4)+"\n"+line(5))
	p.want("5")
	// Renames are left out: on a busy machine the library may miss the new file.
	if c := f.Stats().Counts(); c.Events != 3 || c.Malformed != 1 {
		t.Errorf("counts %+v", c)
	}
}
