//go:build !fsnotify

package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
)

// A medium is a kind of file that is followed.
type medium struct {
	name   string
	follow func(path string, opt FollowOptions) (*Follower, error)
	begin  func(n int) string // a file with one record
	more   func(n int) string // another record
}

var media = []medium{
	{"log", followLog, line, line},
	{"capture", followPcap, func(n int) string { return string(buildPcap(fmt.Sprint(n))) }, func(n int) string { return record(fmt.Sprint(n)) }},
}

// shapes are the ways in which a path can lead to a file; each makes one below dir and
// returns both.
var shapes = map[string]func(t *testing.T, dir string) (path, file string){
	"no link": func(t *testing.T, dir string) (path, file string) {
		return dir + "/kern.log", dir + "/kern.log"
	},
	"same directory, other name": func(t *testing.T, dir string) (path, file string) {
		link(t, "iptables.log", dir+"/kern.log")
		return dir + "/kern.log", dir + "/iptables.log"
	},
	"same directory, name begins alike": func(t *testing.T, dir string) (path, file string) {
		link(t, dir+"/kern-today.log", dir+"/kern.log")
		return dir + "/kern.log", dir + "/kern-today.log"
	},
	"same directory, name is a part": func(t *testing.T, dir string) (path, file string) {
		link(t, "kern", dir+"/kern.log")
		return dir + "/kern.log", dir + "/kern"
	},
	"other directory, same name": func(t *testing.T, dir string) (path, file string) {
		link(t, dir+"/data/kern.log", dir+"/kern.log")
		return dir + "/kern.log", dir + "/data/kern.log"
	},
	"other directory, relative": func(t *testing.T, dir string) (path, file string) {
		ok(t, os.MkdirAll(dir+"/data", 0o700))
		link(t, "../data/iptables.log", dir+"/log/kern.log")
		return dir + "/log/kern.log", dir + "/data/iptables.log"
	},
	"chain in one directory": func(t *testing.T, dir string) (path, file string) {
		link(t, "second", dir+"/kern.log")
		link(t, "third", dir+"/second")
		link(t, "iptables.log", dir+"/third")
		return dir + "/kern.log", dir + "/iptables.log"
	},
	"chain there and back": func(t *testing.T, dir string) (path, file string) {
		link(t, "data/second", dir+"/kern.log")
		link(t, "../iptables.log", dir+"/data/second")
		return dir + "/kern.log", dir + "/iptables.log"
	},
	"linked directory": func(t *testing.T, dir string) (path, file string) {
		link(t, "data", dir+"/log")
		return dir + "/log/kern.log", dir + "/data/kern.log"
	},
	"linked directory further up": func(t *testing.T, dir string) (path, file string) {
		ok(t, os.MkdirAll(dir+"/data/a/b", 0o700))
		link(t, "./data/", dir+"/log")
		return dir + "/log/a/b/kern.log", dir + "/data/a/b/kern.log"
	},
	"link in a linked directory": func(t *testing.T, dir string) (path, file string) {
		link(t, dir+"/data", dir+"/log")
		link(t, "iptables.log", dir+"/data/kern.log")
		return dir + "/log/../log/kern.log", dir + "/data/iptables.log"
	},
	"link from a linked directory to beside the link": func(t *testing.T, dir string) (path, file string) {
		link(t, "data", dir+"/log")
		link(t, "../iptables.log", dir+"/data/kern.log")
		return dir + "/log/kern.log", dir + "/iptables.log"
	},
}

func link(t *testing.T, target, name string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Join(filepath.Dir(name), "data"), 0o700))
	ok(t, os.Symlink(target, name))
}

// relink points a link elsewhere, as "ln -sfT" does.
func relink(t *testing.T, target, name string) {
	t.Helper()
	ok(t, os.Symlink(target, name+".tmp"))
	ok(t, os.Rename(name+".tmp", name))
}

// replacements put new content where a file is.
var replacements = map[string]func(t *testing.T, file, content string){
	"rename and create": func(t *testing.T, file, content string) {
		for i := 8; i > 0; i-- {
			os.Rename(fmt.Sprint(file, ".", i), fmt.Sprint(file, ".", i+1))
		}
		ok(t, os.Rename(file, file+".1"))
		appendTo(t, file, content)
	},
	"rename with a date": func(t *testing.T, file, content string) {
		ext := filepath.Ext(file)
		ok(t, os.Rename(file, fmt.Sprint(strings.TrimSuffix(file, ext), "-", time.Now().UnixNano(), ext)))
		appendTo(t, file, content)
	},
	"copy and truncate": func(t *testing.T, file, content string) {
		data, err := os.ReadFile(file)
		ok(t, err)
		ok(t, os.WriteFile(fmt.Sprint(file, ".", time.Now().UnixNano()), data, 0o600))
		ok(t, os.Truncate(file, 0))
		appendTo(t, file, content)
	},
	"replace": func(t *testing.T, file, content string) {
		appendTo(t, file+".new", content)
		ok(t, os.Rename(file+".new", file))
	},
	"replace by a file with another name": func(t *testing.T, file, content string) {
		dir, name := filepath.Split(file)
		appendTo(t, dir+".tmp-"+name, content)
		ok(t, os.Rename(dir+".tmp-"+name, file))
	},
	"remove": func(t *testing.T, file, content string) {
		ok(t, os.Remove(file))
		appendTo(t, file, content)
	},
	"write": func(t *testing.T, file, content string) {
		ok(t, os.WriteFile(file, []byte(content), 0o600))
	},
}

// eachMedium follows logs and captures with inotify and, if polls says so, polls logs.
func eachMedium(t *testing.T, polls bool, test func(t *testing.T, m medium, dir string, follow func(path string) *tap)) {
	for i, m := range media {
		for _, poll := range []bool{false, true} {
			if poll && (i > 0 || !polls) {
				continue // it takes time, and what is found is read in the same way
			}
			t.Run(fmt.Sprintf("%s/poll=%v", m.name, poll), func(t *testing.T) {
				t.Parallel()
				dir, err := filepath.EvalSymlinks(t.TempDir())
				ok(t, err)
				test(t, m, dir, func(path string) *tap {
					t.Helper()
					f, err := m.follow(path, FollowOptions{FromStart: true, Poll: poll, ReadOptions: ReadOptions{Ref: testRef, Problem: func(p Problem) { t.Log(p) }}})
					ok(t, err)
					return newTap(t, f)
				})
			})
		}
	}
}

// TestFollowShapes: however a path leads to a file, and however that file is replaced,
// nothing is missed and nothing comes twice.
func TestFollowShapes(t *testing.T) {
	for shape, make := range shapes {
		for kind, replace := range replacements {
			t.Run(shape+"/"+kind, func(t *testing.T) {
				t.Parallel()
				eachMedium(t, kind == "rename and create", func(t *testing.T, m medium, dir string, follow func(string) *tap) {
					path, file := make(t, dir)
					n := 1
					appendTo(t, file, m.begin(n))
					p := follow(path)
					p.first(fmt.Sprint(n))
					for range 2 {
						appendTo(t, file, m.more(n+1))
						p.first(fmt.Sprint(n + 1))
						replace(t, file, m.begin(n+2))
						p.first(fmt.Sprint(n + 2))
						n += 2
					}
					appendTo(t, file, m.more(n+1))
					p.want(fmt.Sprint(n + 1))
				})
			})
		}
	}
}

// TestFollowRelinked: what the path leads through is replaced. A file that it leads to
// again goes on where it was left, also when it was closed meanwhile.
func TestFollowRelinked(t *testing.T) {
	for name, relinked := range map[string]struct {
		path, first, second string
		to                  func(t *testing.T, dir string, second bool)
	}{
		"link": {"kern.log", "one.log", "two.log", func(t *testing.T, dir string, second bool) {
			relink(t, map[bool]string{false: "one.log", true: "two.log"}[second], dir+"/kern.log")
		}},
		"link removed and made": {"kern.log", "data/a.log", "data/b.log", func(t *testing.T, dir string, second bool) {
			os.Remove(dir + "/kern.log")
			ok(t, os.Symlink(map[bool]string{false: "data/a.log", true: "data/b.log"}[second], dir+"/kern.log"))
		}},
		"middle of a chain": {"kern.log", "data/kern.log", "more/kern.log", func(t *testing.T, dir string, second bool) {
			relink(t, "middle", dir+"/kern.log")
			relink(t, map[bool]string{false: "data/kern.log", true: "more/kern.log"}[second], dir+"/middle")
		}},
		"linked directory": {"log/kern.log", "data/kern.log", "more/kern.log", func(t *testing.T, dir string, second bool) {
			relink(t, map[bool]string{false: "data", true: "more"}[second], dir+"/log")
		}},
		"linked directory further up": {"log/a/kern.log", "data/a/kern.log", "more/a/kern.log", func(t *testing.T, dir string, second bool) {
			relink(t, map[bool]string{false: "data", true: dir + "/more"}[second], dir+"/log")
		}},
		"file or link": {"kern.log", "kern.log.was", "two.log", func(t *testing.T, dir string, second bool) {
			if second {
				os.Link(dir+"/kern.log", dir+"/kern.log.was")
				os.Remove(dir + "/kern.log")
				ok(t, os.Symlink("two.log", dir+"/kern.log"))
			} else {
				os.Remove(dir + "/kern.log")
				ok(t, os.Link(dir+"/kern.log.was", dir+"/kern.log"))
			}
		}},
		"directory renamed": {"log/a/kern.log", "log.1/a/kern.log", "log.2/a/kern.log", func(t *testing.T, dir string, second bool) {
			from, to := dir+"/log.1", dir+"/log.2"
			if second {
				from, to = to, from
			}
			os.Rename(dir+"/log", to)
			ok(t, os.Rename(from, dir+"/log"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachMedium(t, true, func(t *testing.T, m medium, dir string, follow func(string) *tap) {
				first, second, path := filepath.Join(dir, relinked.first), filepath.Join(dir, relinked.second), filepath.Join(dir, relinked.path)
				for i, file := range []string{first, second} {
					ok(t, os.MkdirAll(filepath.Dir(file), 0o700))
					appendTo(t, file, m.begin(i+1))
					appendTo(t, file+".1", m.begin(100+i)) // older than all
				}
				relinked.to(t, dir, false)
				wait.At(time.Now().Add(2 * clockTick)) // or they could be newer than the follower
				p := follow(path)
				p.first("1")
				for i := range 2 {
					relinked.to(t, dir, true)
					if i == 0 {
						p.first("2")
					}
					appendTo(t, path, m.more(10*i+11))
					p.first(fmt.Sprint(10*i + 11))
					relinked.to(t, dir, false)
					appendTo(t, path, m.more(10*i+12))
					p.first(fmt.Sprint(10*i + 12))
				}
				file, err := filepath.EvalSymlinks(path)
				ok(t, err)
				replacements["rename and create"](t, file, m.begin(90))
				p.want("90")
			})
		})
	}
}
