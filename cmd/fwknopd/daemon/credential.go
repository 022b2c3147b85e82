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
	"fwknopd/cmd/fwknopd/privsep"
)

// fallbackUser is the user of the worker if the default of WORKER_USER does not exist.
const fallbackUser = "nobody"

// credential returns WORKER_USER and the groups that may read the followed files.
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
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: readerGroups(privsep.SourceSpecs(l))}, nil
}

// readerGroups returns the groups of followed files that are readable by their group
// but not by others, such as adm for logs. The group of root is never included.
func readerGroups(list []privsep.SourceSpec) []uint32 {
	var groups []uint32
	for _, f := range list {
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

// journalGroup may read the systemd journal.
const journalGroup = "systemd-journal"

// journalGroups returns the gid of journalGroup, if that group exists.
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
