package daemon

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the configuration must be quiet after a change: editors and
// tools write in several steps.
const settle = 500 * time.Millisecond

// reload reads the configuration again. A bad one changes nothing. Grants, digests
// and the state of knock sequences stay. quiet leaves out the word that nothing
// changed.
func (k *keeper) reload(quiet bool) {
	s, problems := prepare(k.o)
	for _, p := range problems {
		k.say(bad, "%s", p)
	}
	if problems.Failed() {
		k.alert(bad, "the new configuration is refused, the old one stays in force")
		return
	}
	if quiet && s.bundle.equal(k.conf().bundle) {
		return
	}
	old := k.conf()
	reloading()
	defer notifyReady()
	for _, keyword := range []string{"FIREWALL_TYPE", "iptablesCmd", "FIREWALL_EXE", "IPT_INPUT_ACCESS", "IPT_OUTPUT_ACCESS",
		"IPT_FORWARD_ACCESS", "IPT_DNAT_ACCESS", "IPT_SNAT_ACCESS", "IPT_MASQUERADE_ACCESS", "NFT_INPUT_ACCESS", "NFT_OUTPUT_ACCESS",
		"NFT_FORWARD_ACCESS", "NFT_DNAT_ACCESS", "NFT_SNAT_ACCESS", "WORKER_USER", "FWKNOP_PID_FILE"} {
		if s.Values.Path(keyword) != old.Values.Path(keyword) {
			k.say(bad, "%s has changed: that counts from the next start on", keyword)
		}
	}
	k.mu.Lock()
	k.setup = s
	k.mu.Unlock()
	k.speaker.configure(s.Loaded)
	if !k.o.Test || s.Values.IsSet("EVENT_LOG") {
		k.events.open(s.Values.Path("EVENT_LOG"))
	}
	k.mon.Reload(k.offer())
	k.mon.Notify(noticeReload)
	if watch := k.files; watch != nil {
		watch.follow(s.Files)
	}
	k.say(good, "configuration loaded again: %d stanzas", len(s.Access.Stanzas))
}

// equal reports the same files with the same content.
func (b *bundle) equal(other *bundle) bool {
	if len(b.Files) != len(other.Files) {
		return false
	}
	for name, f := range b.Files {
		g, ok := other.Files[name]
		if !ok || string(f.Data) != string(g.Data) || f.Info != g.Info || f.Err != g.Err {
			return false
		}
	}
	return true
}

// A fileWatch tells when one of the configuration files changes. It watches their
// folders: editors replace files.
type fileWatch struct {
	w     *fsnotify.Watcher
	names map[string]bool
	out   chan struct{}
	set   chan []string
}

// watchFiles begins to watch the files of the configuration.
func (k *keeper) watchFiles() (*fileWatch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	f := &fileWatch{w: w, out: make(chan struct{}, 1), set: make(chan []string, 1)}
	f.take(k.conf().Files)
	k.files = f
	go f.run()
	return f, nil
}

func (f *fileWatch) take(names []string) {
	f.names = make(map[string]bool)
	for _, name := range names {
		f.names[filepath.Clean(name)] = true
		_ = f.w.Add(filepath.Dir(name)) // a folder that cannot be watched is not
	}
}

// follow watches other files from now on.
func (f *fileWatch) follow(names []string) {
	select {
	case f.set <- names:
	default:
	}
}

func (f *fileWatch) run() {
	var quiet <-chan time.Time
	for {
		select {
		case ev, ok := <-f.w.Events:
			if !ok {
				return
			}
			if f.names[filepath.Clean(ev.Name)] && ev.Op != fsnotify.Chmod {
				quiet = time.After(settle)
			}
		case _, ok := <-f.w.Errors:
			if !ok {
				return
			}
		case names := <-f.set:
			f.take(names)
		case <-quiet:
			quiet = nil
			select {
			case f.out <- struct{}{}:
			default:
			}
		}
	}
}

// changes is nil, and never says anything, without a watch.
func (f *fileWatch) changes() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.out
}

// Close stops watching.
func (f *fileWatch) Close() error { return f.w.Close() }
