package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/worker"
	"fwknopd/fixtures/short"
)

// playWorker is the main function of a worker that a daemon in this test program starts.
var playWorker = worker.Main

// The scripts run the real main with command lines as a user types them.
func TestMain(m *testing.M) {
	if privsep.IsWorker() {
		os.Exit(playWorker())
	}
	testscript.Main(m, map[string]func(){"fwknopd": main})
}

func TestScripts(t *testing.T) {
	short.Skip(t)
	const dir = "../../fixtures/scripts"
	found, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	fixtures, err := filepath.Abs("../../fixtures")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("FIXTURES", fixtures)
			e.Setenv("CAPTURE", filepath.Join(fixtures, "cases", "capture"))
			e.Setenv("LOG", filepath.Join(fixtures, "cases", "log"))
			e.Setenv("TZ", "UTC")
			return nil
		},
	})
}
