package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
)

// maxLastWords is how much of what a dying worker writes is kept.
const maxLastWords = 8 << 10

// A workerProcess is the worker that runs now.
type workerProcess struct {
	pid   int
	words *head
	kill  func() error // also when it has ended and its number is somebody else's
}

// A head keeps the beginning of what is written to it.
type head struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, p[:min(len(p), maxLastWords-len(h.text))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(string(h.text))
}

// supervise keeps a worker running until ctx ends or we give up.
func (k *keeper) supervise(ctx context.Context) error {
	start := k.spawn
	if k.o.Test {
		start = k.embed
	}
	v := k.conf().Values
	return k.mon.Supervise(ctx, monitor.Supervision{
		Start: start, Ready: k.ready,
		Interval: v.Duration("KNOPWATCHD_CHECK_INTERVAL"), Retries: v.Int("KNOPWATCHD_MAX_RETRIES"),
	})
}

// ready is called whenever a worker is at work.
func (k *keeper) ready() {
	k.begun.Store(true)
	k.mark("Starting fwknopd main event loop.")
	k.say(good, "at work")
	notifyReady()
	announce(nil)
}

// spawn starts the unprivileged process.
func (k *keeper) spawn() (*monitor.Worker, error) {
	cred, err := credential(k.conf().Loaded)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	words := &head{}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{workerName}, Dir: "/", Env: workerEnvironment(),
		Stderr: words, ExtraFiles: []*os.File{w}, WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{Credential: cred, Setsid: true},
	}
	wk, err := monitor.Spawn(cmd)
	if err != nil {
		r.Close()
		return nil, err
	}
	k.relays.Go(func() { k.relay(r) })
	k.mu.Lock()
	k.worker = &workerProcess{cmd.Process.Pid, words, wk.Kill}
	k.mu.Unlock()
	return k.watched(wk, words.String), nil
}

// embed runs the worker in this process, for --test.
func (k *keeper) embed() (*monitor.Worker, error) {
	server, conn, err := monitor.Pair()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, server.Close(), conn.Close())
	}
	k.relays.Go(func() { k.relay(r) })
	client := monitor.NewClient(conn)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		<-client.Done()
		cancel()
	}()
	go func() {
		out := newRecords(w)
		err := work(ctx, client, out)
		out.close()
		ended <- err
	}()
	return k.watched(&monitor.Worker{
		Conn: server, Wait: func() error { return <-ended }, Kill: func() error { cancel(); return nil },
	}, func() string { return "" }), nil
}

// watched ends the daemon when the worker has ended of its own accord, or cannot
// begin. words are what it had to say.
func (k *keeper) watched(w *monitor.Worker, words func() string) *monitor.Worker {
	wait := w.Wait
	w.Wait = func() error {
		err := wait()
		switch {
		case err == nil || errors.Is(err, errLimit):
			k.end(errDone)
		case !k.begun.Load():
			k.end(&startError{err, words()})
		}
		return err
	}
	return w
}

// A startError is that the first worker never got to work: there is no use in trying
// again what somebody is waiting for.
type startError struct {
	cause error
	words string
}

func (e *startError) Error() string {
	if e.words != "" {
		return e.words
	}
	return e.cause.Error()
}

// workerDied says so, with the last words of the worker; what does not fit into a line
// goes where the last words of daemons go.
func (k *keeper) workerDied(cause error) {
	k.mu.Lock()
	w := k.worker
	k.mu.Unlock()
	first, rest := "", ""
	if w != nil {
		first, rest, _ = strings.Cut(w.words.String(), "\n")
	}
	if first != "" {
		first = ": " + first
	}
	if rest != "" {
		k.speaker.mu.Lock()
		k.lastWords("fwknopd.die", cleanLines(rest))
		k.speaker.mu.Unlock()
	}
	k.alert(bad, "the worker died: %v%s", cause, first)
}

// workerEnvironment is what the worker needs of ours: the time zone.
func workerEnvironment() []string {
	env := append([]string(nil), command.Plain...)
	if tz, ok := os.LookupEnv("TZ"); ok {
		env = append(env, "TZ="+tz)
	}
	return env
}
