//go:build hops && linux

package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/coverage"
	"syscall"
)

// countsDir is the folder for the counters of each process, set by the linker.
var countsDir string

// init has the signal of TestHops, SIGPWR, write the counters, with files that are opened before the
// sandbox is in force. What is in the file done then says that they are written.
func init() {
	if os.Getenv("GOCOVERDIR") != "" {
		return
	}
	dir := filepath.Join(countsDir, fmt.Sprint(os.Getpid()))
	must(os.Mkdir(dir, 0o755))
	must(coverage.WriteMetaDir(dir))
	names, err := filepath.Glob(filepath.Join(dir, "covmeta.*"))
	must(err)
	counters, err := os.Create(fmt.Sprintf("%s/covcounters%s.%d.1", dir, filepath.Ext(names[0]), os.Getpid()))
	must(err)
	done, err := os.Create(filepath.Join(dir, "done"))
	must(err)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPWR)
	go func() {
		<-signals
		must(coverage.WriteCounters(counters))
		_, err := done.Write([]byte{'.'})
		must(err)
	}()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
