package doctor

import (
	"fmt"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/policy/conf"
)

// examineDaemon says whether a daemon runs, and what its worker will be confined by.
func examineDaemon(s *conf.Server) (list []finding) {
	switch missing := sandbox.Missing(); {
	case s.Sandbox == conf.SandboxOff:
		list = append(list, finding{"sandbox", warning, "SANDBOX off: a worker that is taken over has the rights of its user", "SANDBOX auto"})
	case missing != "" && s.Sandbox == conf.SandboxOn:
		list = append(list, finding{"sandbox", fix, missing, "SANDBOX auto, or a kernel and processor that have it"})
	case missing != "":
		list = append(list, finding{"sandbox", warning, missing, "a newer kernel, on a 64-bit processor"})
	default:
		list = append(list, finding{"sandbox", ok, "seccomp and Landlock are there", ""})
	}
	return append(list, slices.DeleteFunc(examineProcess(s), func(f finding) bool { return f == finding{} })...)
}

// examineProcess asks the running daemon what it says about itself.
func examineProcess(s *conf.Server) (list []finding) {
	pid := runningDaemon(s)
	if pid == 0 {
		return []finding{fleetUnknown(s, "the daemon does not run"), {"daemon", warning, "does not run", "fwknopd, or systemctl start fwknopd"}}
	}
	if isReplaced(pid) {
		list = append(list, finding{"daemon", warning, fmt.Sprintf("process %d runs a program file that was replaced since", pid), control.HowToRestart})
	}
	status, err := control.AskStatus(s.PIDFile)
	if err != nil {
		return append(list, fleetUnknown(s, "the daemon does not answer"), finding{"daemon", warning, fmt.Sprintf("process %d does not answer: %v", pid, err), control.HowToRestart})
	}
	return append(append(list, judgeFleet(s, status.Fleet)), judgeStatus(status)...)
}

// fleetUnknown says that it is not known how the fleet does; the zero finding without a fleet.
func fleetUnknown(s *conf.Server, why string) finding {
	switch _, err := fleetlink.FindProgram(); {
	case s.Fleet.IsZero():
		return finding{}
	case err != nil:
		return finding{"fleet", fix, err.Error(), "apt-get install " + fleetlink.Package}
	}
	return finding{"fleet", warning, "whether it has a quorum is not known: " + why, ""}
}

// judgeFleet judges what the daemon says of its fleet; nil: that it has none.
func judgeFleet(s *conf.Server, f *report.FleetStatus) finding {
	switch {
	case s.Fleet.IsZero() && f == nil:
		return finding{}
	case f == nil:
		return fleetUnknown(s, "the daemon has read another configuration")
	case !f.Quorum && f.Local:
		return finding{"fleet", warning, f.Text(), "fwknopd fleet status"}
	case !f.Quorum:
		return finding{"fleet", fix, f.Text(), "fwknopd fleet status"}
	}
	text := "member " + f.Name + ": " + f.Text()
	if f.Group != "" {
		text += "; group " + f.Group
	}
	switch e := f.Events; {
	case e == nil:
		text += "; its events are not published (FLEET_EVENTS N)"
	case e.Dropped > 0:
		return finding{"fleet", warning, text + fmt.Sprintf("; %s not published, and lost", conf.Count(int(e.Dropped), "event")), "fwknopd fleet status, and see the log"}
	}
	return finding{"fleet", ok, text, ""}
}

// judgeStatus judges what a daemon says about itself.
func judgeStatus(s *report.Status) (list []finding) {
	for _, text := range []string{s.Waiting, s.Unconfined, s.NotApplied} {
		if text != "" {
			list = append(list, finding{"daemon", warning, text, ""})
		}
	}
	if r := s.Reload; r != nil && r.Verdict == report.ReloadRefused {
		list = append(list, finding{"daemon", fix, fmt.Sprintf("%s, since %s", r.Text(), r.Time.UTC().Format(time.RFC3339)), "fwknopd check, then fwknopd reload"})
	}
	if s.Reload != nil {
		for _, text := range s.Reload.Pending() {
			list = append(list, finding{"daemon", warning, text, control.HowToRestart})
		}
	}
	if s.Version != cli.Release {
		list = append(list, finding{"daemon", warning, fmt.Sprintf("process %d is fwknopd %s, this is %s", s.PID, s.Version, cli.Release), control.HowToRestart})
	}
	if len(list) == 0 {
		list = append(list, finding{"daemon", ok, fmt.Sprintf("fwknopd %s runs as process %d with the configuration of %s", s.Version, s.PID, s.Loaded.UTC().Format(time.RFC3339)), ""})
	}
	return list
}

// runningDaemon returns the process that runs with this configuration, 0 if there is none.
func runningDaemon(s *conf.Server) int {
	pid, err := pidfile.Owner(s.PIDFile)
	if err != nil {
		return 0
	}
	return pid
}
