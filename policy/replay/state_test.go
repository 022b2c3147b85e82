package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/short"
)

// A vault is a journal with its state file, opened again and again.
type vault struct {
	t           *testing.T
	path, state string
	opts        Options
	lost        []string
	notices     []string
}

func newVault(t *testing.T) *vault {
	dir := t.TempDir()
	v := &vault{t: t, path: filepath.Join(dir, "digest.cache"), state: filepath.Join(dir, "digest.state"), opts: aging}
	v.opts.State = v.state
	v.opts.Lost = func(why string, _ time.Time) { v.lost = append(v.lost, why) }
	v.opts.Notice = func(text string) { v.notices = append(v.notices, text) }
	return v
}

func (v *vault) open(now time.Time) *both {
	v.t.Helper()
	opts := v.opts
	opts.Now = now
	return open(v.t, v.path, opts)
}

// kill ends b as SIGKILL ends its process.
func (v *vault) kill(b *both) {
	v.t.Helper()
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	if err := b.j.abandon(); err != nil {
		v.t.Fatal(err)
	}
}

// leave returns the journal of a process that was killed after three messages, and a
// function that opens it with another content and returns which messages are fresh then.
func (v *vault) leave() (whole []byte, reopen func(journal []byte) (fresh []int)) {
	v.t.Helper()
	b := v.open(t0)
	for i := range 3 {
		add(v.t, b, packet(i, t0))
	}
	v.kill(b)
	whole, err := os.ReadFile(v.path)
	known, err2 := os.ReadFile(v.state)
	if err := errors.Join(err, err2); err != nil {
		v.t.Fatal(err)
	}
	return whole, func(journal []byte) (fresh []int) {
		v.t.Helper()
		if err := errors.Join(os.WriteFile(v.path, journal, 0o600), os.WriteFile(v.state, known, 0o600)); err != nil {
			v.t.Fatal(err)
		}
		v.lost, v.notices = nil, nil
		b := v.open(t0.Add(time.Second))
		defer v.kill(b)
		for i := range 3 {
			if _, isFresh, _ := b.Add(packet(i, t0)); isFresh {
				fresh = append(fresh, i)
			}
		}
		return fresh
	}
}

// edit changes the state file.
func (v *vault) edit(change func(*state)) {
	v.t.Helper()
	var s state
	text, err := os.ReadFile(v.state)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	change(&s)
	if text, err = json.Marshal(&s); err == nil {
		err = os.WriteFile(v.state, text, 0o600)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// Where the system does not identify its boots, a journal that was not closed may lack
// messages; one that was closed does not.
func TestUnknownBoot(t *testing.T) {
	known := bootIDOnce
	bootIDOnce = func() string { return "" }
	defer func() { bootIDOnce = known }()
	for _, killed := range []bool{false, true} {
		v := newVault(t)
		b := v.open(t0)
		add(t, b, packet(1, t0))
		if killed {
			v.kill(b)
		} else if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = v.open(t0.Add(1500 * time.Millisecond))
		if (len(v.lost) > 0) != killed {
			t.Errorf("killed %v: said %q", killed, v.lost)
		}
		if _, fresh, _ := b.Add(packet(2, t0)); fresh == killed {
			t.Errorf("killed %v: fresh %v", killed, fresh)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A journal that is not what was left makes nothing fresh that was sent before the start,
// and says why; messages of later are fresh.
func TestJournalThatIsNotWhole(t *testing.T) {
	text := func(v *vault) []byte {
		b, err := os.ReadFile(v.path)
		if err != nil {
			v.t.Fatal(err)
		}
		return b
	}
	write := func(v *vault, b []byte) {
		if err := os.WriteFile(v.path, b, 0o600); err != nil {
			v.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		harm func(v *vault)
		says string // "": the journal is whole
	}{
		"untouched":          {func(*vault) {}, ""},
		"removed":            {func(v *vault) { os.Remove(v.path) }, "missing or empty"},
		"emptied":            {func(v *vault) { os.Truncate(v.path, 0) }, "missing or empty"},
		"header left":        {func(v *vault) { os.Truncate(v.path, int64(len(header))) }, "cut from"},
		"last byte gone":     {func(v *vault) { os.Truncate(v.path, int64(len(text(v))-1)) }, "cut from"},
		"last line gone":     {func(v *vault) { b := text(v); write(v, b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]) }, "cut from"},
		"zeros in its place": {func(v *vault) { write(v, make([]byte, len(text(v)))) }, "another file"},
		"hole in its place":  {func(v *vault) { n := int64(len(text(v))); os.Truncate(v.path, 0); os.Truncate(v.path, n) }, "another file"},
		"longer, of others":  {func(v *vault) { write(v, cache(1000)) }, "another file"},
		"zeros behind it":    {func(v *vault) { os.Truncate(v.path, 1<<16) }, ""},
		"2.6 has added":      {func(v *vault) { write(v, append(text(v), cache(3)...)) }, ""},
		"copied and back":    {func(v *vault) { b := text(v); os.Remove(v.path); write(v, b) }, ""},
		"machine crashed":    {func(v *vault) { v.edit(func(s *state) { s.Open, s.Boot = true, "another" }) }, "machine stopped"},
		"machine rebooted":   {func(v *vault) { v.edit(func(s *state) { s.Open, s.Boot = false, "another" }) }, ""},
		"state damaged":      {func(v *vault) { os.WriteFile(v.state, []byte(`{"path":`), 0o600) }, "cannot be read"},
		"state emptied":      {func(v *vault) { os.WriteFile(v.state, nil, 0o600) }, "cannot be read"},
		"of another file":    {func(v *vault) { v.edit(func(s *state) { s.Path = "/elsewhere" }) }, "kept in /elsewhere before"},
		"in memory between":  {func(v *vault) { v.edit(func(s *state) { s.Path = "" }) }, "kept in memory before"},
		"no state":           {func(v *vault) { os.Remove(v.state) }, ""},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", name, killed), func(t *testing.T) {
				v := newVault(t)
				b := v.open(t0)
				for i := range 20 {
					add(t, b, packet(i, t0))
				}
				ahead := packet(20, t0) // by a client whose clock is ahead
				ahead.Sent = t0.Add(time.Minute)
				add(t, b, ahead)
				if killed {
					v.kill(b)
				} else if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				c.harm(v)
				start := t0.Add(1500 * time.Millisecond)
				b = v.open(start)
				if got := strings.Join(v.lost, "; "); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
					t.Errorf("said %q, want %q", got, c.says)
				}
				for life := range 3 {
					for i := range 20 {
						if _, fresh, _ := b.Add(packet(i, t0)); fresh {
							t.Fatalf("life %d: message %d is fresh", life, i)
						}
					}
					if _, fresh, _ := b.Add(ahead); fresh {
						t.Errorf("life %d: a message from the future is fresh", life)
					}
					p := packet(30+life, start)
					p.Sent = t0.Add(61 * time.Second)
					if !add(t, b, p) {
						t.Errorf("life %d: a later message is not fresh", life)
					}
					if life == 1 {
						v.kill(b)
					} else {
						b.Close()
					}
					b = v.open(start.Add(time.Second))
				}
				if len(v.lost) > 1 {
					t.Errorf("said again: %q", v.lost)
				}
			})
		}
	}
}

// The journal is whole, or noticed not to be, when it is cut at any byte.
func TestCutAtEveryByte(t *testing.T) {
	short.Skip(t)
	v := newVault(t)
	whole, reopen := v.leave()
	for cut := range whole {
		if fresh := reopen(whole[:cut]); len(fresh) > 0 || len(v.lost) != 1 {
			t.Fatalf("cut at %d: messages %v are fresh, said %q", cut, fresh, v.lost)
		}
	}
}

// No message is honoured a second time whichever byte of the journal is changed. That the
// journal is not what was left is reported, or its records are still known.
func TestDamagedAtEveryByte(t *testing.T) {
	short.Skip(t)
	v := newVault(t)
	whole, reopen := v.leave()
	for at := range whole {
		for _, to := range []byte{0, '\n', ' ', '#', whole[at] ^ 1, 0xff} {
			if to == whole[at] {
				continue
			}
			damaged := bytes.Clone(whole)
			damaged[at] = to
			if fresh := reopen(damaged); len(fresh) > 0 {
				t.Errorf("byte %d of %d is %q, was %q: messages %v are fresh; lost %q, notices %q", at, len(whole), to, whole[at], fresh, v.lost, v.notices)
			}
		}
	}
}

// While it is in use: what is done to the file does not make a message fresh for the next
// worker, and what is recorded then is kept.
func TestJournalChangedWhileInUse(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(path string) error
		lost bool
	}{
		"removed":            {os.Remove, false},
		"replaced":           {func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, cache(10), 0o600)) }, false},
		"replaced by a link": {func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) }, false},
		"emptied":            {func(path string) error { return os.Truncate(path, 0) }, true},
		"cut":                {func(path string) error { return os.Truncate(path, 200) }, true},
		"extended":           {func(path string) error { return os.Truncate(path, 1<<30) }, true},
	} {
		for _, next := range []string{"message", "worker"} {
			t.Run(name+", then a "+next, func(t *testing.T) {
				v := newVault(t)
				now := time.Now()
				b := v.open(now)
				for i := range 5 {
					add(t, b, packet(i, now))
				}
				if err := c.harm(v.path); err != nil {
					t.Fatal(err)
				}
				if next == "message" && !add(t, b, packet(5, now)) {
					t.Error("a new message is not fresh")
				}
				r, err := b.replica(v.opts)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 5 {
					if _, fresh, _ := r.Add(packet(i, now)); fresh {
						t.Errorf("message %d is fresh for the next worker", i)
					}
				}
				v.kill(b)
				b = v.open(time.Now())
				for i := range 5 {
					if _, fresh, _ := b.Add(packet(i, now)); fresh {
						t.Errorf("message %d is fresh after a restart", i)
					}
				}
				later := now.Add(time.Minute)
				if !add(t, b, packet(9, later)) {
					t.Error("a later message is not fresh")
				}
				if (len(v.lost) == 1) != c.lost || len(v.lost)+len(v.notices) != 1 {
					t.Errorf("lost %q, notices %q", v.lost, v.notices)
				}
			})
		}
	}
}

// A journal whose folder is gone takes nothing until the folder is back.
func TestFolderRemovedWhileInUse(t *testing.T) {
	v := newVault(t)
	v.path = filepath.Join(filepath.Dir(v.path), "folder", "digest.cache")
	dir := filepath.Dir(v.path)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := v.open(t0)
	add(t, b, packet(0, t0))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, fresh, err := b.Add(packet(10+i, t0)); fresh || err == nil {
			t.Fatalf("fresh %v, %v", fresh, err)
		}
		if _, err := b.j.Snapshot(); err == nil {
			t.Fatal("the next worker gets a journal")
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if !add(t, b, packet(2, t0)) {
		t.Error("a new message is not fresh")
	}
	if r, err := b.replica(v.opts); err != nil {
		t.Error(err)
	} else if _, fresh, _ := r.Add(packet(0, t0)); fresh {
		t.Error("fresh again")
	}
}

// The daemon may be killed at each step of a compaction: nothing is lost, and nothing is
// said to be.
func TestKilledWhileCompacting(t *testing.T) {
	for _, step := range []string{"before", "announced", "renamed"} {
		t.Run(step, func(t *testing.T) {
			v := newVault(t)
			b := v.open(t0)
			add(t, b, packet(0, t0))
			add(t, b, packet(1, t0.Add(past)))
			stop := errors.New("stop")
			known, err := os.ReadFile(v.state)
			if err != nil {
				t.Fatal(err)
			}
			b.j.mu.Lock()
			if step == "before" {
				err = b.j.rewrite(t.Context(), t0.Add(time.Second), func(*copier) error { return stop })
			} else {
				err = b.j.compact(t.Context(), t0.Add(time.Second))
			}
			if (err != nil) != (step == "before") {
				t.Fatal(err)
			}
			next, err := markOf(b.j.file, b.j.size)
			b.j.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			v.kill(b)
			if err := os.WriteFile(v.state, known, 0o600); err != nil {
				t.Fatal(err)
			}
			if step != "before" {
				v.edit(func(s *state) { s.Next = &next })
			}
			if step == "announced" { // and not renamed
				text := append([]byte(header), appendLine(nil, t0, &Record{Key: keyOf(packet(0, t0)), Sent: t0.Unix()})...)
				text = appendLine(text, t0.Add(past), &Record{Key: keyOf(packet(1, t0)), Sent: t0.Add(past).Unix()})
				if err := os.WriteFile(v.path, text, 0o600); err != nil {
					t.Fatal(err)
				}
				m, err := markOf(bytes.NewReader(text), int64(len(text)))
				if err != nil {
					t.Fatal(err)
				}
				v.edit(func(s *state) { s.mark = m })
			}
			b = v.open(t0.Add(past))
			if len(v.lost) > 0 {
				t.Errorf("said %q", v.lost)
			}
			if _, fresh, _ := b.Add(packet(1, t0.Add(past))); fresh {
				t.Error("fresh again")
			}
			if !add(t, b, packet(2, t0.Add(past))) {
				t.Error("a new message is not fresh")
			}
		})
	}
}

// The same while the journal is opened: until it has been repaired and compacted, what was
// known of it stays known.
func TestKilledWhileOpening(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for _, first := range []bool{false, true} {
			v := newVault(t)
			b := v.open(t0)
			add(t, b, packet(0, t0))
			v.kill(b)
			if lost {
				if err := os.Truncate(v.path, int64(len(header))); err != nil {
					t.Fatal(err)
				}
			}
			if first {
				if err := os.Remove(v.state); err != nil {
					t.Fatal(err)
				}
			}
			f, err := openLocked(v.path)
			if err != nil {
				t.Fatal(err)
			}
			j := &Journal{opts: v.opts, path: v.path, file: f}
			if j.size, err = j.fileSize(); err == nil {
				err = j.compareState()
			}
			if err == nil {
				err = os.WriteFile(v.path+".new", appendMark([]byte(header), horizonMark, t0), 0o600)
			}
			var next file
			if err == nil {
				next, err = openLocked(v.path + ".new")
			}
			if err == nil {
				err = errors.Join(j.announce(next, int64(len(header))+1), next.Close()) // and it is not renamed
			}
			if err = errors.Join(err, j.abandon()); err != nil {
				t.Fatal(err)
			}
			v.lost = nil
			v.open(t0.Add(time.Second))
			if (len(v.lost) == 1) != (lost && !first) {
				t.Errorf("lost %v, first start %v: said %q", lost, first, v.lost)
			}
		}
	}
}

// Without persistence: a later worker knows all messages, and after a restart none that
// was sent before it is fresh, unless messages have no age.
func TestJournalInMemory(t *testing.T) {
	for _, ageing := range []bool{true, false} {
		v := newVault(t)
		v.path, v.opts.Aging = "", ageing
		b := v.open(t0)
		p := packet(1, t0.Add(time.Second)) // in the second of the restart
		if !add(t, b, p) {
			t.Fatal("not fresh")
		}
		r, err := b.replica(v.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, fresh, _ := r.Add(p); fresh {
			t.Error("fresh for the next worker")
		}
		v.kill(b)
		b = v.open(t0.Add(1100 * time.Millisecond))
		if _, fresh, _ := b.Add(p); fresh == ageing {
			t.Errorf("ageing %v: fresh %v after a restart", ageing, fresh)
		}
		if !add(t, b, packet(2, t0.Add(2*time.Second))) {
			t.Error("a later message is not fresh")
		}
		if len(v.lost) > 0 {
			t.Errorf("said %q", v.lost)
		}
	}
}

// Without persistence and ageing: what is sent by our time is refused after a restart if it could
// be accepted before it, for all workers, over a compaction and in a journal that it moves to.
func TestSentByOurTime(t *testing.T) {
	v := newVault(t)
	file := v.path
	v.path, v.opts.Aging = "", false
	b := v.open(t0)
	if !add(t, b, sentByUs(t0.Add(time.Second), t0.Add(time.Second))) {
		t.Fatal("not fresh")
	}
	v.kill(b)
	start := t0.Add(2*time.Second + time.Millisecond)
	b = v.open(start)
	check := func(what string) {
		t.Helper()
		r, err := b.replica(v.opts)
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Time]error{t0.Add(time.Second): ErrForgotten, t0.Add(2 * time.Second): ErrForgotten, t0.Add(3 * time.Second): nil} {
			if _, seen, err := r.Seen(sentByUs(at, start)); seen || !errors.Is(err, want) {
				t.Errorf("%s: sent at +%v: %v", what, at.Sub(t0), err)
			}
		}
		if _, fresh, err := r.Add(packet(7, t0)); !fresh {
			t.Errorf("%s: a message by the clock of a client: %v", what, err)
		}
	}
	check("after the start")
	if err := b.j.compact(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	check("compacted")
	j, err := b.j.Move(t.Context(), file, v.opts)
	if err != nil {
		t.Fatal(err)
	}
	b = &both{j: j, now: start}
	check("moved to a file")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// sentByUs is a packet that is sent by our time.
func sentByUs(at, now time.Time) *Packet {
	p := packet(int(at.Unix()), at)
	p.ByOurTime, p.Time = true, now
	return p
}

// TestBegunByAWrongClock: a clock that was ahead at the start refuses what is sent by our time no
// longer than until now.
func TestBegunByAWrongClock(t *testing.T) {
	v := newVault(t)
	v.path, v.opts.Aging = "", false
	b := v.open(t0.Add(24 * time.Hour))
	if _, fresh, err := b.Add(sentByUs(t0, t0)); fresh || !errors.Is(err, ErrForgotten) {
		t.Errorf("set back by a day: %v, %v", fresh, err)
	}
	if _, fresh, err := b.Add(sentByUs(t0.Add(time.Second), t0)); !fresh {
		t.Errorf("set back by a day, sent later: %v", err)
	}
}

// A state file that another user may have put there is not used.
func TestOthersState(t *testing.T) {
	v := newVault(t)
	if err := os.Symlink(filepath.Join(t.TempDir(), "x"), v.state); err != nil {
		t.Fatal(err)
	}
	if b, err := openBoth(v.path, v.opts); err == nil {
		b.Close()
		t.Error("opened with a link")
	}
}

// TestIncomplete: a copy of a journal is compared with the copy of its state, wherever they were,
// and neither is changed.
func TestIncomplete(t *testing.T) {
	v := newVault(t)
	whole, _ := v.leave()
	text, err := os.ReadFile(v.state)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		state, journal []byte
		want           string
	}{
		{"whole", text, whole, ""},
		{"longer", text, append(bytes.Clone(whole), "# more\n"...), ""},
		{"cut", text, whole[:len(whole)-1], "it is cut from"},
		{"empty", text, nil, "it is cut from"},
		{"changed", text, bytes.Replace(whole, []byte("192."), []byte("193."), 1), "it is another file than the one that was written"},
		{"of one in memory", []byte(`{"path":""}`), whole, "digests were kept in memory before"},
		{"of another", []byte(`{"path":"/run/other"}`), whole, "digests were kept in /run/other before"},
		{"damaged", text[:20], whole, "unexpected EOF"},
	} {
		dir := t.TempDir()
		state, journal := filepath.Join(dir, "left"), filepath.Join(dir, "digest.cache")
		for path, text := range map[string][]byte{state: c.state, journal: c.journal} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		why, err := Incomplete(state, journal)
		if err != nil {
			why = err.Error()
		}
		if c.want == "" && why != "" || !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, want %q", c.name, why, c.want)
		}
		if now, err := os.ReadFile(state); err != nil || !bytes.Equal(now, c.state) {
			t.Errorf("%s: the state is %s now (%v)", c.name, now, err)
		}
	}
}
