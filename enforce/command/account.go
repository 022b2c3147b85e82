package command

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential returns the identity to run as; nil is that of this process. A user implies
// its supplementary groups; a group without a user replaces all groups.
func credential(userName, groupName string) (*syscall.Credential, error) {
	if userName == "" && groupName == "" {
		return nil, nil
	}
	cred := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if userName != "" {
		if err := setUser(cred, userName); err != nil {
			return nil, err
		}
	}
	if groupName != "" {
		var err error
		if cred.Gid, err = GroupID(groupName); err != nil {
			return nil, err
		}
	}
	// Only root can set credentials; those this process already has need not be set.
	uid := uint32(os.Geteuid())
	if uid != 0 && cred.Uid == uid && cred.Gid == uint32(os.Getegid()) {
		return nil, nil
	}
	return cred, nil
}

// GroupID returns the number of the group that CMD_EXEC_GROUP and similar keywords name:
// the primary group of the user of that name, as in the 2.6 daemon, else the group of that
// name or number.
func GroupID(name string) (uint32, error) {
	if u, err := user.Lookup(name); err == nil {
		return parseID(u.Gid)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		if g, err = user.LookupGroupId(name); err != nil {
			return 0, fmt.Errorf("group %s: %w", name, err)
		}
	}
	return parseID(g.Gid)
}

// GroupName returns the same group in the form that sudo accepts, which takes no user
// name there. A name that is not a user's is returned as it is.
func GroupName(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return name
	}
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		return g.Name
	}
	return "#" + u.Gid
}

func setUser(cred *syscall.Credential, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
	}
	if cred.Uid, err = parseID(u.Uid); err != nil {
		return err
	}
	if cred.Gid, err = parseID(u.Gid); err != nil {
		return err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of %s: %w", name, err)
	}
	for _, text := range groups {
		g, err := parseID(text)
		if err != nil {
			return err
		}
		cred.Groups = append(cred.Groups, g)
	}
	return nil
}

func parseID(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}
