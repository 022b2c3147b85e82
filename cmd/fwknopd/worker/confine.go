package worker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy/conf"
)

// A confinement takes from this process what a worker does not need. It may read files
// below the directories in read; strict makes it an error if the system lacks some of it.
type confinement func(read []string, strict bool) error

// enterSandbox confines this process as SANDBOX demands, before it opens a source. It has an
// effect once: what a process gave up it cannot get back.
func (w *worker) enterSandbox(l *config.Loaded) error {
	if w.confine == nil || l.Server.Sandbox == conf.SandboxOff {
		return nil
	}
	_, _ = time.Now().Zone() // reads the time zone's file
	folders := foldersOf(privsep.SourceSpecs(l))
	if err := w.confine(folders, l.Server.Sandbox == conf.SandboxOn); err != nil {
		if l.Server.Sandbox == conf.SandboxOn {
			return fmt.Errorf("SANDBOX on: %w", err)
		}
		w.out.warnf("SANDBOX: the worker is not confined: %v", err)
		return nil
	}
	w.confine, w.confined, w.folders = nil, true, folders
	return nil
}

// outgrown reports whether the sources are in directories that this process gave up.
func (w *worker) outgrown(specs []privsep.SourceSpec) bool {
	return w.confined && slices.ContainsFunc(foldersOf(specs), func(dir string) bool {
		return !slices.ContainsFunc(w.folders, func(have string) bool {
			return dir == have || strings.HasPrefix(dir, have+"/")
		})
	})
}

// foldersOf returns the directories in which the sources open files by themselves.
func foldersOf(specs []privsep.SourceSpec) (folders []string) {
	for i := range specs {
		folders = append(folders, specs[i].Folders()...)
	}
	return folders
}
