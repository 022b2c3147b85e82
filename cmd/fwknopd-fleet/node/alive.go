package node

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// aliveSubject and a name is where a member says that it lives.
const aliveSubject = "fwknop.alive."

// A beatValue is what a member says each second.
type beatValue struct {
	V       uint8 // 1
	Now     time.Time
	Witness bool
	Members [sha256.Size]byte // see lineOf
}

// lineOf is by which members know whether they have the same FLEET_PEERS: of the names alone, as keys and
// addresses may change one after the other.
func lineOf(all []fleetlink.Peer) [sha256.Size]byte {
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return sha256.Sum256([]byte(strings.Join(names, " ")))
}

// maxHeard bounds the members that are told apart on an outside cluster.
const maxHeard = 64

// alive is what was heard of the other members.
type alive struct {
	cfg fleetlink.Config
	now func() time.Time
	all []fleetlink.Peer  // of an embedded fleet
	our [sha256.Size]byte // its line

	mu    sync.Mutex
	heard map[string]heard
	wrong int // how many looks in succession found the clocks to differ
	twin  twin
}

// A twin is another gateway of the same name: neither hears what the other one announces or orders.
type twin struct {
	first, last time.Time // when it was heard of
}

// twinTime is for how long one of our name has to be heard of: what this name said over a connection before
// may still come over a new one.
const twinTime = 3 * time.Second

// hear notes what was said under our name by another connection than ours.
func (t *twin) hear(now time.Time) {
	if now.Sub(t.last) > heardTime {
		t.first = now
	}
	t.last = now
}

func (t *twin) isThere() bool {
	return t.last.Sub(t.first) >= twinTime && time.Since(t.last) < heardTime
}

// heard is the last that was heard of a member.
type heard struct {
	at      time.Time     // by our clock
	ahead   time.Duration // of its clock, at least
	witness bool
	other   bool      // it has other members in its FLEET_PEERS
	fresh   time.Time // as at, with its monotonic reading
}

func newAlive(cfg fleetlink.Config, now func() time.Time) *alive {
	a := &alive{cfg: cfg, now: now, heard: make(map[string]heard)}
	if len(cfg.Servers) == 0 {
		a.all = members(cfg)
		a.our = lineOf(a.all)
	}
	return a
}

// listen hears of the others from now on.
func (a *alive) listen(nc *nats.Conn) error {
	_, err := nc.Subscribe(aliveSubject+"*", a.hear)
	return err
}

// beat says that this member lives. What cannot be said now is not said later.
func (a *alive) beat(nc *nats.Conn) {
	_ = nc.Publish(aliveSubject+a.cfg.Name, encode(beatValue{1, a.now().UTC(), a.cfg.Witness, a.our}))
}

func (a *alive) hear(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, aliveSubject)
	var b beatValue
	if decode(m.Data, &b) != nil || b.V != 1 || !validName(name) {
		return
	}
	if name == a.cfg.Name {
		a.mu.Lock()
		a.twin.hear(time.Now())
		a.mu.Unlock()
		return
	}
	if a.all != nil && !slices.ContainsFunc(a.all, func(p fleetlink.Peer) bool { return p.Name == name }) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.heard[name]; known || len(a.heard) < maxHeard {
		now := a.now()
		a.heard[name] = heard{now, b.Now.Sub(now), b.Witness, b.Members != a.our, time.Now()}
	}
}

// A clockVerdict says how this member's clock compares with those of the others.
type clockVerdict int

const (
	clockUnknown clockVerdict = iota // too few members are heard of
	clockAgrees                      // with that of a majority, of which this member is one
	clockDiffers                     // it cannot, for those that are heard of differ
)

const (
	heardTime   = 3 * time.Second // a member that was not heard of for longer is not there
	patientTime = 3               // a clock is wrong when so many looks have found it so
)

// verdict compares the clocks of the members of an embedded fleet.
func (a *alive) verdict() clockVerdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	there, same := 1, 1
	for _, h := range a.heard {
		if time.Since(h.fresh) < heardTime {
			there++
			if h.ahead.Abs() <= skew {
				same++
			}
		}
	}
	majority := len(a.all)/2 + 1
	switch {
	case same >= majority:
		a.wrong = 0
		return clockAgrees
	case there >= majority:
		if a.wrong++; a.wrong >= patientTime {
			return clockDiffers
		}
	}
	return clockUnknown
}

// agreed reports whether all members of an embedded fleet are heard of, and have the same ones in their
// FLEET_PEERS.
func (a *alive) agreed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.all {
		if h := a.heard[m.Name]; m.Name != a.cfg.Name && (h.other || time.Since(h.fresh) >= heardTime) {
			return false
		}
	}
	return true
}

// hasTwin reports whether another gateway has the name of this one.
func (a *alive) hasTwin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.twin.isThere()
}

// members returns what is known of all members, by their names.
func (a *alive) members() []fleetlink.Member {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []fleetlink.Member{{Name: a.cfg.Name, Self: true, Connected: true, Witness: a.cfg.Witness, Twin: a.twin.isThere()}}
	for name, h := range a.heard {
		list = append(list, fleetlink.Member{Name: name, Witness: h.witness, OtherPeers: h.other, Heard: h.at, Clock: h.ahead.Seconds(),
			Connected: time.Since(h.fresh) < heardTime})
	}
	for _, p := range a.all {
		i := slices.IndexFunc(list, func(m fleetlink.Member) bool { return m.Name == p.Name })
		if i < 0 {
			i = len(list)
			list = append(list, fleetlink.Member{Name: p.Name})
		}
		list[i].Address = p.Address.String()
	}
	slices.SortFunc(list, func(a, b fleetlink.Member) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
