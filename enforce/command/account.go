package command

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is what to run as; nil: as we are. A user brings its groups, a group
// alone replaces all of ours.
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
	// Only root may choose; who asks for what it already is needs not.
	uid := uint32(os.Geteuid())
	if uid != 0 && cred.Uid == uid && cred.Gid == uint32(os.Getegid()) {
		return nil, nil
	}
	return cred, nil
}

// GroupID is the number of the group that CMD_EXEC_GROUP and its kin name: the primary
// group of the user of that name, for which the 2.6 daemon has these keywords, else
// the group of that name or number.
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

// GroupName is the same group as sudo wants it named, which knows nothing of users
// there. A name of no group is left as it is.
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
