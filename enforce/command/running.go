package command

import (
	"sync"
	"syscall"
)

// running are the programs that run, by the number of their process group.
var running groups

type groups struct {
	mu     sync.Mutex
	ids    map[int]bool
	killed bool
}

// KillAll kills every program that this package has started and that still runs, with
// its children, and each that is started later. It is for a process that ends and does
// not wait for them.
func KillAll() {
	running.mu.Lock()
	defer running.mu.Unlock()
	running.killed = true
	for id := range running.ids {
		syscall.Kill(-id, syscall.SIGKILL)
	}
}

// add adds a group and returns a function that removes it.
func (r *groups) add(id int) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		syscall.Kill(-id, syscall.SIGKILL)
	}
	if r.ids == nil {
		r.ids = make(map[int]bool)
	}
	r.ids[id] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.ids, id)
	}
}
