package conf

// commands reads what the stanza may run.
func (m *maker) commands() {
	s, v := m.s, m.v
	s.CmdExec, s.CmdRegex = v.Bool("ENABLE_CMD_EXEC"), v.Lookup("CMD_REGEX").re
	s.CmdUser, s.CmdGroup = v.Path("CMD_EXEC_USER"), v.Path("CMD_EXEC_GROUP")
	s.CmdSudo, s.CmdShell = v.Bool("ENABLE_CMD_SUDO_EXEC"), v.Bool("CMD_SHELL")
	s.CmdSudoUser, s.CmdSudoGroup = v.Path("CMD_SUDO_EXEC_USER"), v.Path("CMD_SUDO_EXEC_GROUP")
	if !s.CmdExec {
		for _, k := range []string{"CMD_REGEX", "CMD_SHELL", "ENABLE_CMD_SUDO_EXEC"} {
			if m.has(k) {
				m.warn(k, "has no effect without ENABLE_CMD_EXEC")
			}
		}
	}
	m.external()
	m.cycle()
	s.ExternalShell = v.Bool("EXTERNAL_CMD_SHELL")
	if !m.has("EXTERNAL_CMD_SHELL") && m.ld.server != nil {
		s.ExternalShell = m.ld.server.Bool("EXTERNAL_CMD_SHELL")
	}
	if m.has("EXTERNAL_CMD_SHELL") && s.ExternalOpen == "" && s.CycleOpen == "" {
		m.warn("EXTERNAL_CMD_SHELL", "has no effect without EXTERNAL_CMD_OPEN or CMD_CYCLE_OPEN")
	}
}

// externalOnly reports that commands are the only firewall there is.
func (m *maker) externalOnly() bool {
	return m.ld.server != nil && first(m.ld.server.List("FIREWALL_TYPE")) == "external_cmd"
}

// external reads the EXTERNAL_CMD pair: the stanza's own, or the one of fwknop.conf
// if the stanza says ENABLE_EXTERNAL_CMDS or there is no other firewall.
func (m *maker) external() {
	s, v := m.s, m.v
	s.ExternalTimeout = v.Duration("EXTERNAL_CMD_ALARM")
	s.ExternalOpen, s.ExternalClose = v.Path("EXTERNAL_CMD_OPEN"), v.Path("EXTERNAL_CMD_CLOSE")
	switch {
	case s.ExternalOpen != "" && s.ExternalClose == "":
		m.wrong("EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE", "is missing, EXTERNAL_CMD_OPEN needs it")
	case s.ExternalClose != "" && s.ExternalOpen == "":
		m.wrong("EXTERNAL_CMD_CLOSE", "EXTERNAL_CMD_OPEN", "is missing, EXTERNAL_CMD_CLOSE needs it")
	case s.ExternalOpen == "" && s.Mode == ModeSPA && (v.Bool("ENABLE_EXTERNAL_CMDS") || m.externalOnly() && !m.has("CMD_CYCLE_OPEN")):
		m.externalOfServer()
	}
	if m.has("EXTERNAL_CMD_OPEN") && s.Mode != ModeSPA {
		m.warn("EXTERNAL_CMD_OPEN", "is for SPA; a knock sequence opens OPEN_PORTS in the firewall")
	}
}

// externalOfServer takes the pair of fwknop.conf.
func (m *maker) externalOfServer() {
	s, server := m.s, m.ld.server
	if server == nil || server.Path("EXTERNAL_CMD_OPEN") == "" {
		m.wrong("ENABLE_EXTERNAL_CMDS", "EXTERNAL_CMD_OPEN", "is missing here and in fwknop.conf")
		return
	}
	s.ExternalOpen, s.ExternalClose = server.Path("EXTERNAL_CMD_OPEN"), server.Path("EXTERNAL_CMD_CLOSE")
	if !m.has("EXTERNAL_CMD_ALARM") {
		s.ExternalTimeout = server.Duration("EXTERNAL_CMD_ALARM")
	}
}

// cycle reads the CMD_CYCLE pair.
func (m *maker) cycle() {
	s, v := m.s, m.v
	s.CycleOpen, s.CycleClose = v.Path("CMD_CYCLE_OPEN"), v.Path("CMD_CYCLE_CLOSE")
	s.CycleTimer = v.Duration("CMD_CYCLE_TIMER")
	none := s.CycleClose == "NONE"
	switch {
	case s.CycleOpen != "" && s.CycleClose == "":
		m.wrong("CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE", "is missing, CMD_CYCLE_OPEN needs it (NONE for no command)")
	case s.CycleClose != "" && s.CycleOpen == "":
		m.wrong("CMD_CYCLE_CLOSE", "CMD_CYCLE_OPEN", "is missing, CMD_CYCLE_CLOSE needs it")
	case s.CycleOpen != "" && !none && !m.has("CMD_CYCLE_TIMER"):
		m.wrong("CMD_CYCLE_CLOSE", "CMD_CYCLE_TIMER", "is missing, CMD_CYCLE_CLOSE needs it")
	case s.CycleOpen == "" && m.has("CMD_CYCLE_TIMER"):
		m.wrong("CMD_CYCLE_TIMER", "CMD_CYCLE_OPEN", "is missing, CMD_CYCLE_TIMER needs it")
	}
	if none {
		s.CycleClose = ""
	}
}
