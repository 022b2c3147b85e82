// Package demo shows the program at work on data that it brings, and, as root on Linux, a
// live round in a network namespace of its own: a port that is closed, a knock, the port
// open, and closed again.
package demo

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The data: a log and a capture of Friday, the configuration of that day, and stanzas that
// are to replace it.
//
//go:embed data
var data embed.FS

// A Run runs the program with arguments and returns its exit code.
type Run func(args []string, stdin io.Reader, stdout, stderr io.Writer) int

// A step is one command of the demonstration.
type step struct {
	says string
	args []string
	exit int // the exit code that belongs to it
}

var steps = []step{
	{"A log of the firewall: which systems knocked?", []string{"--os", "--brief", "kern.log"}, 0},
	{"A capture: what would the daemon have decided?", []string{"replay", "-c", "fwknopd.conf", "-a", "access.conf", "friday.pcap"}, 0},
	{"Why was the last packet refused?", []string{"explain", "-c", "fwknopd.conf", "-a", "access.conf", "friday.pcap", "--record", "3"}, 3},
	{"What would other stanzas change?", []string{"replay", "-c", "fwknopd.conf", "-a", "access.conf", "--what-if", "access-new.conf", "friday.pcap"}, 0},
}

// Show runs every step in a folder of its own, and then the live round. It returns the exit
// code: 0 if everything went as it should.
func Show(run Run, stdout, stderr io.Writer) int {
	if err := show(run, stdout); err != nil {
		fmt.Fprintf(stderr, "fwknopd demo: %v\n", err)
		return 1
	}
	return 0
}

func show(run Run, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "fwknopd-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := unpack(dir); err != nil {
		return err
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil { // the commands name files as a user would
		return err
	}
	defer func() { err = errors.Join(err, os.Chdir(wd)) }()
	for _, s := range steps {
		fmt.Fprintf(stdout, "# %s\n$ fwknopd %s\n", s.says, strings.Join(s.args, " "))
		if code := run(s.args, strings.NewReader(""), stdout, stdout); code != s.exit {
			return fmt.Errorf("fwknopd %s: exit code %d", s.args[0], code)
		}
		fmt.Fprintln(stdout)
	}
	return live(dir, stdout)
}

// unpack writes the data to a folder.
func unpack(dir string) error {
	files, err := fs.Sub(data, "data")
	if err != nil {
		return err
	}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(files, e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), text, 0o600); err != nil { // keys, for check
			return err
		}
	}
	return nil
}
