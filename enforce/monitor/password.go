package monitor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A PasswordFile is a file of password hashes (REQUIRE_AUTH_METHOD crypt). Hashes are
// never sent to the worker.
type PasswordFile struct {
	Users []string // whose passwords may be checked; nil: those of all users
	Check func(user, password string) (bool, error)
}

// Wrong passwords a minute. The source is the one that the worker names, so that there are
// limits without it too. Right ones are not counted.
const (
	guessesPerSource = 5  // for one user from one source
	guessesPerUser   = 30 // for one user
	guessesInAll     = 120
	// maxGuessers is how many sources and users are remembered; those with all their
	// guesses left are dropped first, and guessesInAll keeps the others below it.
	maxGuessers = 4096
	// guesserBits is the length of the IPv6 prefix that counts as one source.
	guesserBits = 64
)

// errGuesses refuses a password check.
var errGuesses = errors.New("too many wrong passwords in a minute")

// A guesser is who tries passwords of a user; the zero Prefix is every source.
type guesser struct {
	file, user string
	src        netip.Prefix
}

// guesses limits password checks.
type guesses struct {
	mu    sync.Mutex
	inAll *rate.Limiter
	by    map[guesser]*rate.Limiter
}

// begin takes a guess from all limits, unless one is reached. giveBack is called if the
// password was right.
func (g *guesses) begin(file, user string, src netip.Addr, now time.Time) (giveBack func(), err error) {
	if !src.IsValid() {
		return nil, fmt.Errorf("%w: password without a source", errProtocol)
	}
	src = src.Unmap().WithZone("")
	prefix := netip.PrefixFrom(src, min(guesserBits, src.BitLen())).Masked()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inAll == nil {
		g.inAll, g.by = perMinute(guessesInAll), make(map[guesser]*rate.Limiter)
	}
	g.forget(now)
	var taken []*rate.Reservation
	back := func() {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	for _, l := range []*rate.Limiter{
		g.limiter(guesser{file, user, prefix}, guessesPerSource), g.limiter(guesser{file: file, user: user}, guessesPerUser), g.inAll,
	} {
		r := l.ReserveN(now, 1)
		taken = append(taken, r)
		if r.DelayFrom(now) > 0 {
			back()
			return nil, errGuesses
		}
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		back()
	}, nil
}

func perMinute(n int) *rate.Limiter {
	return rate.NewLimiter(rate.Every(time.Minute/time.Duration(n)), n)
}

func (g *guesses) limiter(who guesser, n int) *rate.Limiter {
	l := g.by[who]
	if l == nil {
		l = perMinute(n)
		g.by[who] = l
	}
	return l
}

// forget drops those with all their guesses left, if there are many.
func (g *guesses) forget(now time.Time) {
	if len(g.by) < maxGuessers {
		return
	}
	for who, l := range g.by {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(g.by, who)
		}
	}
}

// password is the body of crypt.
type password struct {
	File     string     `json:"file"`
	User     string     `json:"user"`
	Password []byte     `json:"password"`
	Src      netip.Addr `json:"src"`
}

func (s *session) crypt(id uint64, body []byte) error {
	var p password
	if err := decode(body, &p); err != nil {
		return err
	}
	file, giveBack, err := s.m.beginPassword(&p)
	if errors.Is(err, errProtocol) {
		return err
	}
	if err != nil {
		s.send(replyTo(id, Refusal(err)))
		return nil
	}
	return s.async(id, func() (reply, *os.File) {
		fits, err := file.Check(p.User, string(p.Password))
		rep := replyTo(id, err)
		rep.Yes = err == nil && fits
		if rep.Yes {
			giveBack()
		} else {
			s.m.reportLimited(Event{Kind: WrongPassword, Command: p.event(), Err: err})
		}
		return rep, nil
	})
}

// event returns the fields of an event about p.
func (p *password) event() Command { return Command{User: p.User, Src: p.Src.String(), Text: p.File} }

// beginPassword returns the file if the policy and the limits allow to check p. What they
// do not allow is reported.
func (m *Monitor) beginPassword(p *password) (file PasswordFile, giveBack func(), err error) {
	file, ok := m.currentPolicy().Passwords[p.File]
	switch {
	case !ok:
		err = fmt.Errorf("password file %.200q", p.File)
	case file.Users != nil && !slices.Contains(file.Users, p.User):
		err = fmt.Errorf("no stanza with %s names user %.64q", p.File, p.User)
	default:
		giveBack, err = m.guesses.begin(p.File, p.User, p.Src, m.clock.read().monotonic())
	}
	if err != nil && !errors.Is(err, errProtocol) {
		m.reportLimited(Event{Kind: WrongPassword, Command: p.event(), Err: err})
	}
	return file, giveBack, err
}
