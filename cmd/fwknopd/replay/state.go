package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/state"
	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
	digests "fwknopd/policy/replay"
)

// readState loads what a daemon had seen and counted before the first record: the digests of
// messages and codes into the store, and the uses of stanzas, which it returns. Nothing is written.
func (o *options) readState(l *config.Loaded, store *digests.Memory) (schedule.Counts, error) {
	if o.State != "" {
		if fi, err := os.Stat(o.State); err != nil {
			return schedule.Counts{}, fmt.Errorf("--state: %w", err)
		} else if !fi.IsDir() {
			return schedule.Counts{}, fmt.Errorf("--state: %s is not a folder", o.State)
		}
	}
	name, err := o.digestFile(l.Server)
	if err == nil && name != "" {
		err = readDigests(store, name)
	}
	if err != nil || o.State == "" {
		return schedule.Counts{}, err
	}
	return o.readUses(l.Access), nil
}

// digestFile returns the digest cache to begin with, "" for none: that of --digest-file, or the
// one in --state if the daemon keeps it in its state directory.
func (o *options) digestFile(s *conf.Server) (string, error) {
	configured := engine.DigestFile(s)
	switch {
	case o.DigestFile != "" || o.State == "":
		return o.DigestFile, nil
	case configured == "":
		o.notice("ENABLE_DIGEST_PERSISTENCE N: --state has no digests of messages and codes")
		return "", nil
	case filepath.Dir(configured) != filepath.Clean(s.StateDir):
		o.notice(fmt.Sprintf("DIGEST_FILE %s is not in the state directory: begin with its digests of messages and codes by --digest-file", configured))
		return "", nil
	}
	journal, left := filepath.Join(o.State, filepath.Base(configured)), filepath.Join(o.State, state.Digests)
	if !exists(left) {
		if !exists(journal) {
			return "", nil // that of a first start
		}
		return journal, nil
	}
	why, err := digests.Incomplete(left, journal)
	if err == nil && why != "" {
		err = fmt.Errorf("%s: %s, by %s", journal, why, left)
	}
	return journal, err
}

// exists reports whether there is something at path, or may be.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// readDigests loads the digest cache of a daemon into the store.
func readDigests(store *digests.Memory, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return store.Load(f, name)
}

// readUses returns the counts in --state, and says what refuses as they are not known, as the
// daemon does.
func (o *options) readUses(access *conf.Access) schedule.Counts {
	counts := state.LoadUses(o.State)
	begun := counts.Uses != nil
	if !begun {
		counts.Uses = make(map[string]schedule.Count)
	}
	for i := range access.Stanzas {
		st := &access.Stanzas[i]
		if _, had := counts.Uses[st.Name]; had || st.Uses.IsZero() || st.Shadow {
			continue
		}
		if counts.Doubt != "" {
			o.notice(report.UsesUnknownText(st.Name, counts.Doubt))
			continue
		}
		if !begun {
			o.notice(fmt.Sprintf("%s has no uses: those of stanza %s begin at zero, as at a first start", o.State, st.Name))
		}
		counts.Uses[st.Name] = schedule.Count{}
	}
	return counts
}
