package doctor

import (
	"fmt"

	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/policy/conf"
)

// examineDaemon says whether a daemon runs, and what its worker will be confined by.
func examineDaemon(s *conf.Server) (list []finding) {
	switch missing := sandbox.Missing(); {
	case s.Sandbox == conf.SandboxOff:
		list = append(list, finding{"sandbox", warning, "SANDBOX off: a worker that is taken over has the rights of its user", "SANDBOX auto"})
	case missing != "" && s.Sandbox == conf.SandboxOn:
		list = append(list, finding{"sandbox", fix, missing, "SANDBOX auto, or a kernel that has it"})
	case missing != "":
		list = append(list, finding{"sandbox", warning, missing, "a newer kernel"})
	default:
		list = append(list, finding{"sandbox", ok, "seccomp and Landlock are there", ""})
	}
	if pid := runningDaemon(s); pid > 0 {
		return append(list, finding{"daemon", ok, fmt.Sprintf("runs as process %d", pid), ""})
	}
	return append(list, finding{"daemon", warning, "does not run", "fwknopd, or systemctl start fwknopd"})
}

// runningDaemon returns the process that runs with this configuration, 0 if there is none.
func runningDaemon(s *conf.Server) int {
	pid, err := pidfile.Owner(s.PIDFile)
	if err != nil {
		return 0
	}
	return pid
}
