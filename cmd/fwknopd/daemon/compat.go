package daemon

import (
	"fmt"
	"os/user"
	"strings"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// logCompat logs a monitor event the way the old daemon did.
func (d *daemon) logCompat(ev *monitor.Event) {
	c := &d.compat
	c.Server, c.Access, c.Credential = d.conf().Server, d.conf().Access, credentialText26
	if d.fw != nil {
		c.Chain = d.chainOf
	}
	for _, line := range c.Event(ev) {
		d.logf(info, "%s", line)
	}
}

// chainOf returns the name of the chain for a role, or the name of a firewall that has
// no such chains.
func (d *daemon) chainOf(role enforce.Role) string {
	if !strings.Contains(d.fw.Name, "iptables") {
		return d.fw.Name
	}
	if c := firewall.Chains(d.conf().Server)[role]; c.To != "" {
		return c.To
	}
	return iptables.Defaults[role].To
}

// credentialText26 names the user and group that a command runs as.
func credentialText26(st *conf.Stanza) string {
	if st.CmdUser == "" {
		return ""
	}
	u, err := user.Lookup(st.CmdUser)
	if err != nil {
		return ""
	}
	group, gid := st.CmdGroup, u.Gid
	if group == "" {
		group = st.CmdUser
	} else if n, err := command.GroupID(group); err == nil {
		gid = fmt.Sprint(n)
	}
	return fmt.Sprintf(" setuid/setgid user/group to %s/%s (UID=%s,GID=%s)", st.CmdUser, group, u.Uid, gid)
}
