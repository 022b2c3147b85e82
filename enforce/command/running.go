package command

import "sync"

// running is what [KillAll] kills.
var running kills

type kills struct {
	mu     sync.Mutex
	funcs  map[int]func() // by the number of the call that added it
	added  int
	killed bool
}

// KillAll kills every program that this package has started and that still runs, with
// its children, and each that is started later. It is for a process that ends and does
// not wait for them.
func KillAll() {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.killed = true
	for _, kill := range running.funcs {
		kill()
	}
}

// OnKillAll makes [KillAll] call kill too, for a program that this package has not
// started, until remove is called. After KillAll, kill is called at once.
func OnKillAll(kill func()) (remove func()) { return running.add(kill) }

// add adds a function and returns one that removes it, which waits for a call of it.
func (r *kills) add(kill func()) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		kill()
	}
	if r.funcs == nil {
		r.funcs = make(map[int]func())
	}
	r.added++
	id := r.added
	r.funcs[id] = kill
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.funcs, id)
	}
}
