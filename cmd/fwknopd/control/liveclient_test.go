package control

import (
	"path/filepath"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/enforce"
)

// A live view closes the one grant that it names, and learns what is not open any more.
func TestLiveRevoke(t *testing.T) {
	p, r := newPlace(t, false), open(t)
	serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), r)
	_, l, _ := OpenLive(cli.Status, []string{"-c", p.conf}, t.Output(), t.Output())
	grants, titles, err := l.Grants()
	if err != nil || len(grants) != 3 || titles[3].Title == "" {
		t.Fatal(grants, titles, err)
	}
	if err := l.Revoke(grants[1].Key()); err != nil {
		t.Error(err)
	}
	left, _, _ := l.Grants()
	if len(left) != 2 || enforce.ByKey(left)[grants[1].Key()].Src.IsValid() {
		t.Error(left)
	}
	if err := l.Revoke(grants[1].Key()); err == nil || err.Error() != "it is not open any more" {
		t.Error(err)
	}
}
