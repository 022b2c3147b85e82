package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
	"fwknopd/policy/crypt"
)

// A setup is the configuration as the monitor uses it.
type setup struct {
	*config.Loaded
	workerConfig *privsep.Config
	policy       monitor.Policy
	fleet        *fleetlink.Config // nil: no fleet process is wanted
	sources      *report.Sources   // of the stanzas, for the lines of the old daemons
	atStart      *conf.Values      // those that the daemon was started with; nil: Values
}

// conf returns the current configuration.
func (d *daemon) conf() *setup {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.setup
}

// prepare reads and checks the configuration. The result is usable only if problems has
// no errors.
func prepare(o *cli.Options) (*setup, conf.Problems) {
	opts := config.FromFlags(o)
	opts.Config, opts.StrictModes = opts.Main(), true
	c := &privsep.Config{Options: opts, Limit: o.PacketLimit, Verbose: o.Verbose, Debug: o.Debug}
	opts.FS = c.Record(config.Disk{Dir: opts.Dir})
	l, problems := config.Load(opts)
	if problems.Failed() {
		return nil, problems
	}
	problems = append(problems, config.Lint(l.Server, l.Values, l.Access)...)
	s := &setup{Loaded: l, workerConfig: c, sources: report.NewSources(l.Access)}
	c.Fleet = !l.Server.Fleet.IsZero() && !o.Test
	c.Verbose = max(c.Verbose, l.Server.Verbose)
	if err := s.complete(); err != nil {
		problems = append(problems, conf.Problem{Text: err.Error()})
	}
	return s, problems
}

// complete adds what is derived from the configuration files: signatures, limits and
// keys.
func (s *setup) complete() error {
	if s.Access.WantsSystem() {
		var err error
		if s.workerConfig.Signatures, err = config.SignatureText(s.Server.P0fFile); err != nil {
			return err
		}
	}
	var err error
	if s.fleet, err = fleetConfig(s.Loaded); err != nil {
		return err
	}
	limits, err := compileLimits(s.Server, s.Access)
	if err != nil {
		return err
	}
	if s.workerConfig.Keys, err = exportKeys(context.Background(), s.Access); err != nil {
		return err
	}
	s.policy.Limits = limits
	s.policy.Passwords = passwords(s.Access)
	s.policy.Resolve = resolver(s.Server, &limits)
	return nil
}

// resolveRate is how many host names are looked up a second, and at once.
const resolveRate = 8

var errResolveRate = errors.New("too many host names")

// resolver returns what looks up the host names of NAT requests (ENABLE_NAT_DNS); nil if
// no stanza lets a client choose the target.
func resolver(s *conf.Server, l *enforce.Limits) func(host string) ([]netip.Addr, error) {
	chooses := func(a enforce.Allowance) bool { return a.Local || len(a.TargetNets) > 0 }
	if !s.NATDNS || !slices.ContainsFunc(l.Stanzas, chooses) {
		return nil
	}
	budget := privsep.NewBudget(resolveRate, resolveRate)
	return func(host string) ([]netip.Addr, error) {
		if budget.Take(time.Now(), 1) < 0 {
			return nil, errResolveRate
		}
		return engine.Resolve(host)
	}
}

// exportKeys exports the OpenPGP keys of the stanzas, in file order. A stanza whose
// keys cannot be exported is an error, since it would refuse all clients.
func exportKeys(ctx context.Context, a *conf.Access) ([]*keyring.Keys, error) {
	var all []*keyring.Keys
	size := 0
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if st.GPG == nil {
			continue
		}
		keys, err := keyring.Export(ctx, st.GPG)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", st.Pos.File, st.Pos.Line, err)
		}
		for _, export := range keys.Exports {
			size += len(export)
		}
		if size > privsep.MaxKeys {
			return nil, fmt.Errorf("%s:%d: the OpenPGP keys of the stanzas so far are larger than %d bytes", st.Pos.File, st.Pos.Line, privsep.MaxKeys)
		}
		all = append(all, keys)
	}
	return all, nil
}

// passwords returns the password checks of REQUIRE_AUTH_METHOD by shadow file: for the
// users that a stanza with that file names in REQUIRE_USERNAME, for all if one names none.
func passwords(a *conf.Access) map[string]monitor.PasswordFile {
	files := make(map[string]monitor.PasswordFile)
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		if st.AuthMethod != conf.AuthCrypt {
			continue
		}
		f, known := files[st.ShadowFile]
		switch {
		case len(st.Usernames) == 0:
			f.Users = nil
		case !known || f.Users != nil:
			f.Users = append(f.Users, st.Usernames...)
		}
		f.Check = func(user, password string) (bool, error) {
			hash, err := config.SafeShadowHash(st.ShadowFile, user)
			if err != nil {
				return false, err
			}
			return crypt.Verify(hash, password)
		}
		files[st.ShadowFile] = f
	}
	return files
}

// makeDirs creates the configured directories, accessible to root only. One that a symbolic
// link of another user leads to is an error.
func makeDirs(l *config.Loaded) error {
	s := l.Server
	for _, dir := range []string{s.LogDir, s.RunDir, s.StateDir, s.ErrDir} {
		if dir == "" {
			continue
		}
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("%s is not an absolute path", dir)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		f, err := safepath.OpenData(dir)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// enableForwarding enables forwarding in the kernel (ENABLE_PROC_IP_FORWARD), or returns
// a note that it is off.
func enableForwarding(l *config.Loaded) (note string, err error) {
	s := l.Server
	if !s.Forwarding {
		return "", nil
	}
	name := s.ProcForwardFile
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 16))
	if err != nil || strings.TrimSpace(string(text)) == "1" {
		return "", err
	}
	if !s.ProcForward {
		return name + " is not 1: nothing will be forwarded", nil
	}
	return "switched forwarding on in " + name, os.WriteFile(name, []byte("1\n"), 0)
}
