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
	u, _, err := workerUser(l)
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

// workerUser returns the user that the worker runs as, and whether that is the fallback.
func workerUser(l *config.Loaded) (u *user.User, isFallback bool, err error) {
	u, err = user.Lookup(l.Server.WorkerUser)
	if err != nil && !l.Values.IsSet("WORKER_USER") {
		u, err = user.Lookup(fallbackUser)
		isFallback = err == nil
	}
	return u, isFallback, err
}

// warnFallback warns that the worker shares its user with other programs.
func (d *daemon) warnFallback() {
	l := d.conf().Loaded
	if _, isFallback, _ := workerUser(l); isFallback && !d.o.Test {
		d.logf(warning, "there is no user %s: the worker runs as %s, and other processes of that user can stop or kill it (WORKER_USER)",
			l.Server.WorkerUser, fallbackUser)
	}
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
