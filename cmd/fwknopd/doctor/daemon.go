package doctor

import (
	"fmt"
	"os"

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
	pid, err := pidfile.Owner(s.PIDFile)
	switch {
	case err == nil && pid > 0:
		return append(list, finding{"daemon", ok, fmt.Sprintf("runs as process %d", pid), ""})
	case err != nil && !os.IsNotExist(err):
		return append(list, finding{"daemon", warning, err.Error(), ""})
	}
	return append(list, finding{"daemon", warning, "does not run", "fwknopd, or systemctl start fwknopd"})
}
