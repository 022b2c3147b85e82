package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"fwknopd/cmd/fwknopd/config"
)

// fallbackUser is whom the worker runs as where the default of WORKER_USER does not
// exist.
const fallbackUser = "nobody"

// credential is WORKER_USER, in the groups that may read the files to follow.
func credential(l *config.Loaded) (*syscall.Credential, error) {
	name := l.Server.WorkerUser
	u, err := user.Lookup(name)
	if err != nil && !l.Values.IsSet("WORKER_USER") {
		u, err = user.Lookup(fallbackUser)
	}
	if err != nil {
		return nil, fmt.Errorf("WORKER_USER: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := cmp.Or(err1, err2); err != nil {
		return nil, err
	}
	if uid == 0 {
		return nil, errors.New("WORKER_USER is root")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: readerGroups(sourceSpecs(l))}, nil
}

// readers are the groups of the files to follow that the group may read, as adm may
// read logs: never that of root.
func readerGroups(list []sourceSpec) []uint32 {
	var groups []uint32
	for _, f := range list {
		if f.Mode == "JOURNAL" {
			groups = append(groups, journalGroups()...)
			continue
		}
		st, err := os.Stat(f.Path)
		if f.Path == "" || err != nil || st.Mode().Perm()&0o040 == 0 || st.Mode().Perm()&0o004 != 0 {
			continue
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Gid != 0 {
			groups = append(groups, sys.Gid)
		}
	}
	return groups
}

// journalGroup may read the journal of a machine with systemd.
const journalGroup = "systemd-journal"

// journalReaders is that group, if there is one.
func journalGroups() []uint32 {
	g, err := user.LookupGroup(journalGroup)
	if err != nil {
		return nil
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil || gid == 0 {
		return nil
	}
	return []uint32{uint32(gid)}
}
