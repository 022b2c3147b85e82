package conf

import (
	"io/fs"
	"path"
	"sort"
	"strings"
	"testing"
)

// memFS holds files in memory, all of them private to root.
type memFS map[string]string

func (m memFS) Read(name string) ([]byte, FileInfo, error) {
	text, ok := m[name]
	if !ok {
		return nil, FileInfo{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), FileInfo{Regular: true, Perm: 0o600}, nil
}

func (m memFS) List(dir string) ([]string, error) {
	var names []string
	for name := range m {
		if path.Dir(name) == path.Clean(dir) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	sort.Strings(names)
	return names, nil
}

func (m memFS) Exists(name string) bool {
	_, err := m.List(name)
	_, file := m[name]
	return file || err == nil
}

// loadText loads one server text and one access text.
func loadText(server, access string) (*Server, *Values, *Access, Problems) {
	return Load(Options{FS: memFS{"main.conf": server, "access.conf": access}, Server: "main.conf", Access: "access.conf", Host: fakeHost{}})
}

// wantProblems compares problems with the lines of want.
func wantProblems(t *testing.T, got Problems, want ...string) {
	t.Helper()
	var lines []string
	for _, p := range got {
		lines = append(lines, p.String())
	}
	if g, w := strings.Join(lines, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("problems\n%s\nwant\n%s", g, w)
	}
}

// stanza gives a 1.9 stanza that is complete but for what lines add.
func perl19(lines ...string) string {
	return "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\n" + strings.Join(lines, "\n") + "\n"
}

// shared gives a 1.9 stanza of three knocks in clear.
func shared(lines ...string) string {
	return "SOURCE: ANY;\nSHARED_SEQUENCE: tcp/1, tcp/2, tcp/3;\nOPEN_PORTS: tcp/22;\n" + strings.Join(lines, "\n") + "\n"
}

// c26 gives a 2.6 stanza.
func c26(lines ...string) string {
	return "SOURCE ANY\nKEY sixteen letters!\n" + strings.Join(lines, "\n") + "\n"
}
