package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	digests "fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// errConfig means that the configuration is unusable; its problems were printed.
var errConfig = errors.New("unusable configuration")

// A decider is an engine with its configuration.
type decider struct {
	*policy.Engine
	server *conf.Server
	access *conf.Access
	store  *digests.Memory
	drops  func(payload []byte) bool // the kernel does, by the form of a UDP packet

	open  openGrants
	ahead ahead     // of the first of two engines
	now   time.Time // the clock of the records: of the last one that has a time
}

// load reads the configuration and returns an engine for it. Unless access is empty,
// the stanzas are read from that file instead of the configured one.
func (o *options) load(access string, frames *frameFilter) (*decider, error) {
	c := config.FromFlags(o.Options)
	c.Offline = true
	if access != "" {
		c.Access, c.AccessFolder = access, ""
	}
	l, problems := config.Load(c)
	for _, p := range problems {
		fmt.Fprintf(o.diagnostic, "fwknopd: %s\n", p)
	}
	if problems.Failed() {
		return nil, errConfig
	}
	return o.engine(l, frames, true)
}

// engine returns an engine for a loaded configuration. filtered applies PCAP_FILTER
// by means of frames.
func (o *options) engine(l *config.Loaded, frames *frameFilter, filtered bool) (*decider, error) {
	d := &decider{server: l.Server, access: l.Access, store: digests.NewMemory(engine.StoreOptions(l.Server, time.Time{}, o.notice))}
	d.open.limits = grantLimits(l.Access)
	uses, err := o.readState(l, d.store)
	if err != nil {
		return nil, err
	}
	if d.drops, err = privsep.KernelForm(l).Drops(); err != nil {
		return nil, err
	}
	opts := engine.Options{Loaded: l, Store: d.store, Uses: uses, Signatures: o.Signatures, All: o.useAllModes(l), Record: o.recordOf, Ahead: d.ahead.current,
		Unlimited: o.SPADump != ""}
	if o.Resolve {
		opts.Resolve = engine.Resolve
	}
	if !o.NoGPG {
		opts.Keyring = o.keyring
	}
	if filtered {
		if err := frames.configure(l.Server.PcapFilter, l.Access); err != nil {
			return nil, err
		}
		opts.Filter = frames.predicate()
	}
	d.Engine, err = engine.New(opts)
	return d, err
}

// grantLimits returns MAX_GRANTS by the line of the stanza; of several stanzas of a line
// the most, see [enforce.Limits.MaxGrants].
func grantLimits(access *conf.Access) map[int]int {
	limits := make(map[int]int, len(access.Stanzas))
	for i := range access.Stanzas {
		if st := &access.Stanzas[i]; !st.Shadow {
			limits[st.Pos.Line] = max(limits[st.Pos.Line], st.MaxGrants)
		}
	}
	return limits
}

// useAllModes reports whether all stanzas take part: with --all-modes, or if only
// stanzas are configured. Otherwise AUTH_MODE decides which do.
func (o *options) useAllModes(l *config.Loaded) bool {
	fromFile := func(v *conf.Value) bool { return v.Origin == conf.FromFile }
	if o.AllModes || slices.ContainsFunc(l.Values.All(), fromFile) {
		return o.AllModes
	}
	for i := range l.Access.Stanzas {
		if st := &l.Access.Stanzas[i]; !l.Server.Feeds(st.Mode) {
			o.notice(fmt.Sprintf("%s:%d: no configuration says what the daemon reads, and the stanza takes part here; by default that is AUTH_MODE %s, which reads no knocks",
				st.Pos.File, st.Pos.Line, strings.Join(l.Server.AuthModes, ", ")))
			break
		}
	}
	return true
}

// keyring loads the OpenPGP keys of a stanza. Faults of a ring that can be used are
// printed; the decisions show their effect.
func (o *options) keyring(g *conf.GPG) (*spa.Keyring, error) {
	ring, err := keyring.Load(context.Background(), g)
	if ring != nil && err != nil {
		o.notice(err.Error())
	}
	return ring, err
}

// read opens the inputs with the daemon's settings.
func (o *options) read(s *conf.Server, c *frameFilter) (*ingest.Reader, error) {
	var err error
	if o.files, err = o.log.Files(o.Operands, time.Time{}, o.AsGiven); err != nil {
		return nil, err
	}
	return ingest.Read(o.files, o.readOptions(s, c))
}

func (o *options) readOptions(s *conf.Server, c *frameFilter) ingest.ReadOptions {
	return ingest.ReadOptions{
		Match:      s.FWMsgSearch,
		KernelOnly: s.KernelLogOnly,
		Filter:     c.filter,
		Matched:    c.matchResult(),
		Problem:    o.log.Problem,
		Stdin:      o.stdin,
	}
}

// readAgain opens the inputs once more, for the same events in silence: nil if that fails, as of pipes and
// devices, which cannot be read twice.
func (o *options) readAgain(s *conf.Server, c *frameFilter) iter.Seq[*parse.Event] {
	for _, name := range o.files {
		if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
			return nil
		}
	}
	opt := o.readOptions(s, c)
	opt.Problem, opt.Stdin = nil, nil
	if opt.Matched != nil {
		opt.Matched = new(bool)
	}
	src, err := ingest.Read(o.files, opt)
	if err != nil {
		return nil
	}
	return func(yield func(*parse.Event) bool) {
		defer src.Close()
		_ = pipe.Run(context.Background(), src, func(ev *parse.Event) error { return orStop(yield(ev)) })
	}
}
