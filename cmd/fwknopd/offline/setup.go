package offline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/ingest"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// errConfig says that the configuration is unusable; what is wrong was printed.
var errConfig = errors.New("unusable configuration")

// A decider is an engine with the configuration it was made of.
type decider struct {
	*policy.Engine
	server *conf.Server
	access *conf.Access
	store  *replay.Memory
}

// load reads the configuration, with the stanzas of access in place of the
// configured ones unless that is empty, and makes an engine of it.
func (o *options) load(access string, candidates *candidates) (*decider, error) {
	c := config.Options{
		Config: o.config, Access: o.access, AccessFolder: o.folder, Overrides: o.overrides,
		Argv: o.argv(), Lenient: o.lenient, StrictPerms: o.strict, NoGPG: o.noGPG, Offline: true,
	}
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
	return o.engine(l, candidates, true)
}

// engine makes an engine of a loaded configuration. filtered applies PCAP_FILTER,
// by the candidates.
func (o *options) engine(l *config.Loaded, candidates *candidates, filtered bool) (*decider, error) {
	d := &decider{server: l.Server, access: l.Access, store: replay.NewMemory(engine.StoreOptions(l.Server, time.Time{}, o.notice))}
	if err := o.readDigests(d.store); err != nil {
		return nil, err
	}
	opts := engine.Options{Loaded: l, Store: d.store, Signatures: o.signatures, Resolve: o.resolve, All: o.everyMode(l), Record: o.recordOf}
	if !o.noGPG {
		opts.Keyring = o.keyring
	}
	if filtered {
		if err := candidates.use(l.Server.PcapFilter, l.Access); err != nil {
			return nil, err
		}
		opts.Filter = candidates.candidate()
	}
	var err error
	d.Engine, err = engine.New(opts)
	return d, err
}

// everyMode says whether all stanzas take part: if that is asked for, or if there is no
// configuration of a daemon but stanzas alone. Otherwise those do that it feeds.
func (o *options) everyMode(l *config.Loaded) bool {
	fromFile := func(v *conf.Value) bool { return v.Origin == conf.FromFile }
	if o.allModes || slices.ContainsFunc(l.Values.All(), fromFile) {
		return o.allModes
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

// argv are the keywords that the command line sets.
func (o *options) argv() map[string]string {
	if o.filter == "" {
		return nil
	}
	return map[string]string{"PCAP_FILTER": o.filter}
}

func (o *options) notice(text string) { fmt.Fprintf(o.diagnostic, "fwknopd: %s\n", text) }

// keyring fetches the OpenPGP keys of a stanza. What is wrong with a ring that can
// be had is said, and shows in the decisions.
func (o *options) keyring(g *conf.GPG) (*spa.Keyring, error) {
	ring, err := keyring.Load(context.Background(), g)
	if ring != nil && err != nil {
		o.notice(err.Error())
	}
	return ring, err
}

// readDigests fills the store with what a daemon has seen before.
func (o *options) readDigests(store *replay.Memory) error {
	if o.digests == "" {
		return nil
	}
	f, err := os.Open(o.digests)
	if err != nil {
		return err
	}
	defer f.Close()
	return store.Load(f, o.digests)
}

// read opens the inputs the way the daemon would read them.
func (o *options) read(s *conf.Server, c *candidates) (*ingest.Reader, error) {
	files, err := o.log.Files(o.inputs, time.Time{}, o.asGiven)
	if err != nil {
		return nil, err
	}
	return ingest.Read(files, ingest.ReadOptions{
		Match:      s.FWMsgSearch,
		KernelOnly: s.KernelLogOnly,
		Filter:     c.filter,
		Matched:    c.matched(),
		Problem:    o.log.Problem,
		Stdin:      o.stdin,
	})
}
