package daemon

import (
	"fwknopd/cmd/fwknopd/pidfile"
)

// takePIDs locks the pid files: that of the daemon and, in the ways of 1.9, those
// of the side programs whose jobs the monitor has.
func (k *keeper) takePIDs() error {
	if k.o.Test {
		return nil
	}
	v := k.setup.Values
	keywords := []string{"FWKNOP_PID_FILE"}
	if !k.setup.Server.CSyntax {
		keywords = append(keywords, "KNOPWATCHD_PID_FILE", "KNOPTM_PID_FILE")
		for _, f := range feeds(k.setup.Loaded) {
			if f.Mode == "KNOCK" || f.Mode == "FIFO" || f.Mode == "JOURNAL" {
				keywords = append(keywords, "KNOPMD_PID_FILE")
				break
			}
		}
	}
	for _, keyword := range keywords {
		p, err := pidfile.Create(v.Path(keyword))
		if err != nil {
			return err
		}
		k.pids = append(k.pids, p)
	}
	return nil
}
