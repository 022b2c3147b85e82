package command

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is what to run as; nil: as we are. A user brings his groups, a group
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
		g, err := user.LookupGroup(groupName)
		if err != nil {
			if g, err = user.LookupGroupId(groupName); err != nil {
				return nil, fmt.Errorf("group %s: %w", groupName, err)
			}
		}
		if cred.Gid, err = number(g.Gid); err != nil {
			return nil, err
		}
	}
	// Only root may choose; who asks for what it already is needs not.
	me := uint32(os.Geteuid())
	if me != 0 && cred.Uid == me && cred.Gid == uint32(os.Getegid()) {
		return nil, nil
	}
	return cred, nil
}

func setUser(cred *syscall.Credential, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
	}
	if cred.Uid, err = number(u.Uid); err != nil {
		return err
	}
	if cred.Gid, err = number(u.Gid); err != nil {
		return err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of %s: %w", name, err)
	}
	for _, text := range groups {
		g, err := number(text)
		if err != nil {
			return err
		}
		cred.Groups = append(cred.Groups, g)
	}
	return nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}
