package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"fwknopd/enforce/command"
	"fwknopd/ingest/safepath"
)

// Modes of the event log, and of FWKNOP_DIR if it is there.
const (
	ownerReads  os.FileMode = 0o600
	groupReads  os.FileMode = 0o640
	groupEnters os.FileMode = 0o750
	groupPasses os.FileMode = 0o010
	othersPass  os.FileMode = 0o001
)

// readers are those who may read the event log besides root.
type readers struct {
	group  string // EVENT_LOG_GROUP, "" for none
	folder string // FWKNOP_DIR, the only folder whose rights are changed for them
}

// admit gives an open log the rights of its readers. What the daemon did not make, such as
// a pipe, is left as it is.
func (r readers) admit(log *os.File) error {
	if err := safepath.CheckOwn(log); err != nil {
		if r.group != "" {
			return err
		}
		return nil
	}
	if r.group == "" {
		return restrict(log)
	}
	gid, err := command.GroupID(r.group)
	if err != nil {
		return err
	}
	if err := give(log, int(gid), groupReads); err != nil {
		return err
	}
	return r.admitToFolder(filepath.Dir(log.Name()), int(gid))
}

// restrict takes the log from the group of an earlier configuration.
func restrict(log *os.File) error {
	st, err := log.Stat()
	if err != nil || st.Mode().Perm()&^ownerReads == 0 {
		return err
	}
	return log.Chmod(ownerReads)
}

// admitToFolder lets the group enter the folder of the log, if it is FWKNOP_DIR and not for
// others as well. Any other folder has to be passable as it is.
func (r readers) admitToFolder(folder string, gid int) error {
	dir, err := safepath.OpenData(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	st, err := dir.Stat()
	if err != nil {
		return err
	}
	sys, mode := st.Sys().(*syscall.Stat_t), st.Mode().Perm()
	switch ours := folder == filepath.Clean(r.folder) && int(sys.Uid) == os.Geteuid(); {
	case ours && mode&^groupEnters == 0:
		return give(dir, gid, groupEnters)
	case mode&othersPass != 0, mode&groupPasses != 0 && int(sys.Gid) == gid:
		return nil
	}
	return fmt.Errorf("the group %s cannot pass %s (mode %04o)", r.group, folder, mode)
}

// give changes the group of an open file, and then its mode, so that no other group gets
// the rights of that mode.
func give(f *os.File, gid int, mode os.FileMode) error {
	if err := f.Chown(-1, gid); err != nil {
		return err
	}
	return f.Chmod(mode)
}
