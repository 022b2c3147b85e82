// Package ipfw opens access with ipfw(8), the firewall of FreeBSD and macOS.
//
// A grant is one rule, its comment the expiry and stanza:
//
//	ipfw -q add 00001 allow tcp from 192.0.2.7 to any 22 keep-state // _exp_1795333596 fwknopd:3:1d7e9a40
//
// How it ends depends on the administrator's policy. With a static one, which passes
// established connections by their flags, the rule is deleted. With a dynamic one
// (check-state, keep-state) connections depend on the state that refers to the rule, so
// the rule is moved to a disabled set, and deleted when no state refers to it any more.
//
// The kernel does not expire rules. Entry point: [New].
package ipfw

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
)

// A Config is the configuration of a [Backend].
type Config struct {
	Path     string        // ipfwCmd; "" is /sbin/ipfw
	RuleNum  int           // IPFW_RULE_NUM: rules get the next free number from here on; 0 is 1
	SetNum   int           // IPFW_SET_NUM: the disabled set, 1 to 30; 0 is 1
	Interval time.Duration // IPFW_DYNAMIC_INTERVAL: between two cleanings of that set; 0 is 60 s
	Alarm    time.Duration // limits each run of the program; 0 is 30 s

	exec func(ctx context.Context, args ...string) (string, error) // nil: run the program
}

// Errors of [New] and [Backend.Change].
var (
	ErrSystem = errors.New("ipfw is the firewall of FreeBSD and macOS")
	errSet    = errors.New("set is not a number from 1 to 30")
	errForm   = errors.New("ipfw grants open ports of this host: no translation, no output rule")
	errFull   = errors.New("no free rule number")
	errEnded  = enforce.ErrEnded
)

const (
	defaultPath     = "/sbin/ipfw"
	defaultInterval = time.Minute
	defaultAlarm    = 30 * time.Second
	maxRule         = 65534 // 65535 is the default rule
	maxSet          = 30    // 31 holds the default rule and cannot be disabled
	maxListing      = 16 << 20
)

// A Backend is the firewall ipfw, controlled by running ipfw(8).
type Backend struct {
	cfg Config

	mu      sync.Mutex
	dynamic bool // the policy uses dynamic state
	notes   []string
	purge   *time.Timer // nil: none scheduled
	closed  bool
}

var _ enforce.Backend = (*Backend)(nil)

// New fails on systems without ipfw. It changes nothing; call [Backend.Setup] afterwards.
func New(ctx context.Context, cfg Config) (*Backend, error) {
	switch runtime.GOOS {
	case "freebsd", "darwin", "dragonfly":
		return open(ctx, cfg)
	}
	return nil, fmt.Errorf("%w, this is %s: set FIREWALL_TYPE to iptables or nftables", ErrSystem, runtime.GOOS)
}

func open(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.Path == "" {
		cfg.Path = defaultPath
	}
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Alarm <= 0 {
		cfg.Alarm = defaultAlarm
	}
	cfg.RuleNum, cfg.SetNum = max(cfg.RuleNum, 1), max(cfg.SetNum, 1)
	if cfg.SetNum > maxSet {
		return nil, fmt.Errorf("%w: %d", errSet, cfg.SetNum)
	}
	b := &Backend{cfg: cfg}
	p, err := b.read(ctx)
	if err != nil {
		return nil, err
	}
	b.dynamic = p.dynamic
	b.notes = []string{"ipfw: rules end only when fwknopd deletes them: the kernel does not"}
	if !p.dynamic && !p.established {
		b.notes = append(b.notes, "ipfw: no check-state, keep-state or established rule: connections will break when a grant ends")
	}
	return b, nil
}

// run runs ipfw and returns its output.
func (b *Backend) run(ctx context.Context, args ...string) (string, error) {
	if b.cfg.exec != nil {
		return b.cfg.exec(ctx, args...)
	}
	r, err := command.Run(ctx, command.Command{
		Argv: append([]string{b.cfg.Path}, args...), Timeout: b.cfg.Alarm, MaxOutput: maxListing,
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("run ipfw: %w", err)
	case r.TimedOut:
		return "", fmt.Errorf("ipfw %s: no end within %v", strings.Join(args, " "), b.cfg.Alarm)
	case r.Status != 0 || r.Cut:
		return "", fmt.Errorf("ipfw %s: status %d: %.200s", strings.Join(args, " "), r.Status, strings.TrimSpace(r.Output))
	}
	return r.Output, nil
}

// Setup implements [enforce.Backend]: it disables our set, and schedules the deletion of
// rules that an earlier process left in it.
func (b *Backend) Setup(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setup(ctx)
}

func (b *Backend) setup(ctx context.Context) error {
	p, err := b.read(ctx)
	if err != nil {
		return err
	}
	b.dynamic = p.dynamic
	if !b.dynamic {
		return nil
	}
	if slices.ContainsFunc(p.rules, b.retired) {
		b.schedulePurge()
	}
	_, err = b.run(ctx, "-q", "set", "disable", fmt.Sprint(b.cfg.SetNum))
	return err
}

// Dump returns all rules, as ipfw prints them.
func (b *Backend) Dump(ctx context.Context) ([]byte, error) {
	text, err := b.run(ctx, "-dS", "list")
	return []byte(text), err
}

// Notes implements [enforce.Backend].
func (b *Backend) Notes() []string { return slices.Clone(b.notes) }

// Watch implements [enforce.Backend]: ipfw sends no notifications.
func (b *Backend) Watch(context.Context) (<-chan struct{}, error) { return nil, nil }

// Close implements [enforce.Backend]. Rules stay and no longer end: call Flush before if
// they must not stay.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.purge != nil {
		b.purge.Stop()
	}
	return nil
}
