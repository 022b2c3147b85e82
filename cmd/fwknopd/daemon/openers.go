package daemon

import (
	"encoding/json"
	"maps"
	"os"
	"slices"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
)

// workerPolicy returns what the worker may request.
func (d *daemon) workerPolicy() monitor.Policy {
	s := d.conf()
	p := s.policy
	p.Files = s.openers()
	p.Files[privsep.FileJournal] = d.digests.open
	p.Files[privsep.FileUses] = d.openUses
	if s.workerConfig.Fleet {
		p.Files[privsep.FileFleet] = func() (*os.File, error) { return d.fleet.open(fleetlink.ForClaims) }
		p.Files[privsep.FileGroup] = func() (*os.File, error) { return d.fleet.open(fleetlink.ForGroup) }
	}
	for _, f := range privsep.SourceSpecs(s.Loaded) {
		if f.Mode == "KAFKA" {
			p.Files[f.Name()] = func() (*os.File, error) { return d.fleet.open(fleetlink.ForLines) }
		}
	}
	p.Journal = d.journalOpener()
	p.Files[privsep.FileConfig] = func() (*os.File, error) {
		c := *s.workerConfig
		d.mu.Lock()
		c.Positions = d.positions
		d.mu.Unlock()
		c.Wait = d.waitsForInterface()
		return configFile(&c)
	}
	return p
}

// waitsForInterface reports whether the worker waits for a missing interface. It does
// if the configuration names the interface, or once a worker has been ready. At the
// start, a missing interface from the command line or the default is an error.
func (d *daemon) waitsForInterface() bool {
	s := d.conf()
	return d.ready.Load() || !s.Server.ExitAtIntfDown && s.Values.IsSet("PCAP_INTF") && d.o.Interface == ""
}

// journalOpener returns what starts journalctl for the worker, as the worker's user; nil
// if the journal is not a source.
func (d *daemon) journalOpener() func(monitor.Journal) (*os.File, error) {
	if !slices.ContainsFunc(privsep.SourceSpecs(d.conf().Loaded), func(f privsep.SourceSpec) bool { return f.Mode == "JOURNAL" }) {
		return nil
	}
	return func(q monitor.Journal) (*os.File, error) {
		ctl, err := d.startedJournalctl()
		if err != nil {
			return nil, err
		}
		return ctl.Open(ingest.JournalQuery(q))
	}
}

// startedJournalctl returns the one journalctl runner of the daemon.
func (d *daemon) startedJournalctl() (*ingest.Journalctl, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.journalctl != nil {
		return d.journalctl, nil
	}
	ctl := &ingest.Journalctl{Environment: workerEnvironment(), Ended: func(err error) { d.logf(warning, "%v", err) }}
	if !d.o.Test {
		var err error
		if ctl.Credential, err = credential(d.setup.Loaded); err != nil {
			return nil, err
		}
		ctl.Credential.Groups = journalGroups()
	}
	d.journalctl = ctl
	return ctl, nil
}

// configFile returns the encoded configuration as a file that cannot be modified.
func configFile(c *privsep.Config) (*os.File, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return sealedFile(text)
}

// openers returns the sources that take privileges to open, by the names that the worker
// requests them by.
func (s *setup) openers() map[string]func() (*os.File, error) {
	files := make(map[string]func() (*os.File, error))
	for _, f := range privsep.SourceSpecs(s.Loaded) {
		maps.Copy(files, f.Files())
	}
	return files
}
