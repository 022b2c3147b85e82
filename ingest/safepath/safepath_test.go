package safepath

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// inTree makes a tree of which the fields of each line are the kind (dir, file, link or
// pipe), a name, the mode, the owner (root is the user of the test) and the target of a link.
func inTree(t *testing.T, lines string) string {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		name := filepath.Join(root, f[1])
		mode := map[string]os.FileMode{"1777": 0o777 | os.ModeSticky, "777": 0o777, "775": 0o775, "755": 0o755, "664": 0o664, "600": 0o600}[f[2]]
		switch f[0] {
		case "dir":
			must(os.Mkdir(name, 0o700))
		case "file":
			must(os.WriteFile(name, []byte("text"), 0o600))
		case "pipe":
			must(syscall.Mkfifo(name, 0o600))
		case "link":
			must(os.Symlink(strings.ReplaceAll(f[4], "ROOT", root), name))
		}
		if f[0] != "link" {
			must(os.Chmod(name, mode))
		}
		if f[3] == "nobody" {
			must(os.Lchown(name, nobody, -1))
		}
	}
	return root
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, tree, path string
		want             string // of the faults, in order: path below the root, command
	}{
		{"all of it is ours", "dir a 755 root\nfile a/f 600 root", "a/f", ""},
		{"a folder", "dir a 755 root", "a", ""},
		{"others write to the folder", "dir a 777 root\ndir a/b 755 root\nfile a/b/f 600 root", "a/b/f", "a: chmod go-w"},
		{"others write to the file", "file f 664 root", "f", "f: chmod go-w"},
		{"a dot-dot through such a folder", "dir a 777 root\nfile f 600 root", "a/../f", "a: chmod go-w"},
		{"a link through such a folder", "dir a 777 root\ndir a/b 755 root\nfile f 600 root\nlink l 0 root a/b/../../f", "l", "a: chmod go-w"},
		{"an absolute link", "dir a 777 root\nfile a/f 600 root\nlink l 0 root ROOT/a/f", "l", "a: chmod go-w"},
		{"a link of a folder", "dir a 755 root\nfile a/f 600 root\nlink l 0 root a", "l/f", ""},
		{"the folder of another user", "dir a 755 nobody\nfile a/f 600 root", "a/f", "a: chown root"},
		{"the file of another user", "file f 600 nobody", "f", "f: chown root"},
		{"a file of ours in a folder like /tmp", "dir a 1777 root\nfile a/f 600 root", "a/f", ""},
		{"a file of another user in a folder like /tmp", "dir a 1777 root\nfile a/f 600 nobody", "a/f", "a/f: chown root"},
		{"a link of another user in a folder like /tmp", "dir a 1777 root\nfile f 600 root\nlink a/l 0 nobody ../f", "a/l", "a/l: chown -h root"},
		{"a sticky folder of another user", "dir a 1777 nobody\nfile a/f 600 root", "a/f", "a: chown root, a: chmod go-w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.tree, "nobody") && os.Geteuid() != 0 {
				t.Skip("needs root to give files away")
			}
			if strings.Contains(tt.tree, "1777") && os.Geteuid() != 0 {
				t.Skip("needs root to make a folder like /tmp")
			}
			root := inTree(t, tt.tree)
			var got []string
			for _, f := range Check(root + "/" + tt.path) {
				_, command, _ := strings.Cut(f.Text, ": ")
				below := strings.TrimPrefix(f.Path, root+"/")
				if !strings.HasSuffix(command, " "+f.Path) {
					t.Errorf("%s does not name its path", f)
				}
				got = append(got, below+": "+strings.TrimSuffix(command, " "+f.Path))
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	root := inTree(t, "dir a 755 root\nfile a/f 600 root\nlink l 0 root a/f\nlink loop 0 root loop\nlink none 0 root a/g\npipe p 600 root")
	t.Chdir(root)
	for name, want := range map[string]error{
		"l": nil, "a/f": nil, "./a/../l": nil, "/": nil, "a/": nil, "p": nil, // a pipe without a writer
		"loop": syscall.ELOOP, "none": fs.ErrNotExist, "a/g": fs.ErrNotExist, "b/f": fs.ErrNotExist, "a/f/g": syscall.ENOTDIR,
	} {
		f, _, _, err := Open(name)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
			continue
		}
		if text, _ := io.ReadAll(f); strings.HasSuffix(name, "l") && string(text) != "text" {
			t.Errorf("%s: read %q", name, text)
		}
		f.Close()
	}
}

// TestOpenData: the file of another user is opened, through our links and not through his.
func TestOpenData(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	root := inTree(t, "dir a 1777 nobody\nfile a/f 664 nobody\nlink a/ours 0 root f\nlink a/his 0 nobody ../secret\nlink a/dir 0 nobody ..\nfile secret 600 root")
	for name, want := range map[string]bool{"a/f": true, "a/ours": true, "a/his": false, "a/dir/secret": false, "secret": true} {
		f, err := OpenData(filepath.Join(root, name))
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

// TestCheckOwn: what others can put in place of a file of ours is told from it.
func TestCheckOwn(t *testing.T) {
	tree := "file f 600 root\nfile linked 600 root\npipe p 600 root\ndir d 755 root"
	want := map[string]bool{"f": true, "linked": false, "second": false, "p": false, "d": false}
	if os.Geteuid() == 0 {
		tree += "\nfile his 600 nobody"
		want["his"] = false
	}
	root := inTree(t, tree)
	if err := os.Link(filepath.Join(root, "linked"), filepath.Join(root, "second")); err != nil {
		t.Fatal(err)
	}
	for name, ok := range want {
		f, err := os.OpenFile(filepath.Join(root, name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckOwn(f); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}
