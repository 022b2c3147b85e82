package firewalld

import (
	"sync"

	"github.com/godbus/dbus/v5"
)

// echoes are the signals that our own changes will cause.
type echoes struct {
	mu      sync.Mutex
	waiting map[string]int // by name and rule; how many
}

// maxEchoes bounds them where nothing watches.
const maxEchoes = 100_000

func (e *echoes) expect(signal, zone, rule string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil || len(e.waiting) > maxEchoes {
		e.waiting = make(map[string]int)
	}
	key := echoKey(signal, zone, rule)
	if e.waiting[key] += n; e.waiting[key] <= 0 {
		delete(e.waiting, key)
	}
}

// isEcho reports whether a signal is of a change of our own, once for each.
func (e *echoes) isEcho(s *dbus.Signal) bool {
	if s.Name != ruleAdded && s.Name != ruleRemoved || len(s.Body) < 2 {
		return false
	}
	zone, _ := s.Body[0].(string)
	rule, _ := s.Body[1].(string)
	e.mu.Lock()
	defer e.mu.Unlock()
	key := echoKey(s.Name, zone, rule)
	if e.waiting[key] == 0 {
		return false
	}
	if e.waiting[key]--; e.waiting[key] == 0 {
		delete(e.waiting, key)
	}
	return true
}

func echoKey(signal, zone, rule string) string { return signal + " " + zone + " " + rule }
