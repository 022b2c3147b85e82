// Package engine builds the policy engine of a configuration with its signatures,
// keyrings, limits and filters. The worker, replay, explain, check and --os all build
// theirs here, so that offline decisions are those of the daemon.
//
// Entry points: [New], [StoreOptions] and [Systems].
package engine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/schedule"
	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// Options are the configuration and what differs between the users of an engine.
type Options struct {
	*config.Loaded
	Store replay.Store // made with [StoreOptions]

	// Keyring returns the OpenPGP keys of a stanza; nil: GPG parts are ignored.
	Keyring func(*conf.GPG) (*spa.Keyring, error)
	// Password checks the password of a user; nil: the shadow file is read.
	Password func(src netip.Addr, file, user, password string) (bool, error)
	// Signatures are the files of --signatures.
	Signatures []string
	// ReadFile reads signature files; nil: from disk.
	ReadFile func(name string) ([]byte, error)
	// Resolve looks up the host names of NAT requests, if the configuration allows any;
	// nil: they are refused.
	Resolve func(host string) ([]netip.Addr, error)
	// Claim claims messages from a fleet, see [policy.Options]; nil: nothing is claimed.
	Claim func(policy.Claim) policy.ClaimAnswer

	// Unlimited: TRIAL_RATE does not count, for packets without a time of their own.
	Unlimited bool

	// Uses are how often stanzas have granted so far; zero: not at all.
	Uses schedule.Counts

	All       bool                    // see [policy.Options], as the following
	Filter    func(*parse.Event) bool // nil if the source filters
	Record    func() int64
	Ahead     func() *policy.Opened
	DeferSync bool
}

// New returns an engine.
func New(o Options) (*policy.Engine, error) {
	opts := policy.Options{
		Server: o.Server, Access: o.Access, Store: o.Store,
		Keyring: o.Keyring, GPGLimit: gpgLimiter(o.Server),
		ShadowHash: config.ShadowHash, Password: o.Password,
		Resolve: o.Resolve, Claim: o.Claim, Uses: o.Uses, All: o.All, Filter: o.Filter, Record: o.Record, Ahead: o.Ahead, DeferSync: o.DeferSync,
	}
	if !o.Unlimited {
		opts.TrialRate = o.Server.TrialRate
	}
	if o.Access.WantsSystem() {
		systems, err := LoadSystems(o.Server.P0fFile, o.Signatures, o.Server.MaxHops, o.ReadFile)
		if err != nil {
			return nil, err
		}
		opts.Signatures = systems.Matcher()
	}
	return policy.NewEngine(opts)
}

// gpgLimiter returns the configured limit on public-key operations. The burst is that
// of one second.
func gpgLimiter(s *conf.Server) *spa.Limiter {
	rate := func(n int) spa.Rate { return spa.Rate{PerSecond: float64(n), Burst: n} }
	return spa.NewLimiter(rate(s.GPGRateSource), rate(s.GPGRate))
}

// DigestFile returns the path of the digest file, "" if digests are kept in memory
// only.
func DigestFile(s *conf.Server) string {
	if !s.DigestPersistence {
		return ""
	}
	return s.DigestFile
}

// StoreOptions returns the options of the replay store. opened is the current time,
// zero if only the times of packets count.
func StoreOptions(s *conf.Server, opened time.Time, notice func(string)) replay.Options {
	return replay.Options{Aging: s.Aging, MaxAge: s.MaxAge, Now: opened, Notice: notice}
}

// Systems identifies operating systems by their SYNs.
type Systems struct {
	Signatures *fingerprint.Set
	MaxHops    int // the most hops that a packet may have passed
}

// LoadSystems reads the signatures that P0F_FILE and the command line name, see
// [config.Signatures]. If read is nil, [os.ReadFile] is used.
func LoadSystems(p0fFile string, names []string, maxHops int, read func(string) ([]byte, error)) (Systems, error) {
	if read == nil {
		read = os.ReadFile
	}
	set, err := config.Signatures(p0fFile, names, read)
	return Systems{set, maxHops}, err
}

// Matcher returns a matcher for one goroutine.
func (s Systems) Matcher() *fingerprint.Matcher {
	return fingerprint.NewMatcher(s.Signatures, s.MaxHops)
}

// resolveTimeout bounds the lookup of a host name.
const resolveTimeout = 2 * time.Second

// Resolve looks up the host name of a NAT request (ENABLE_NAT_DNS).
func Resolve(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}
