package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// Migrate implements `fwknopd migrate DIR`, which check --write DIR is too: it writes the
// configuration as two new files of the 2.6 dialect. It writes nothing unless they load and
// grant what the old ones do, and nothing else.
func Migrate(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Migrate, args, stdout, stderr)
	switch {
	case o == nil:
		return code
	case len(o.Operands) != 1:
		return cli.Migrate.Refuse(stderr, errors.New("want the folder to write to"))
	}
	return migrate(o, o.Operands[0], stdout, stderr)
}

// A migrated configuration, as --json prints it. Members may be added.
type migrated struct {
	V     int      `json:"v"`
	Files []string `json:"files"`
	Notes []string `json:"notes"`
}

func migrate(o *cli.Options, dir string, stdout, stderr io.Writer) int {
	opts := FromFlags(o)
	opts.Offline = true
	l, problems := Load(opts)
	Print(stderr, problems)
	if problems.Failed() {
		return exitConfig
	}
	files, notes, faults := convert(l)
	Print(stderr, faults)
	if faults.Failed() {
		fmt.Fprintln(stderr, "fwknopd migrate: nothing is written; the daemon reads the old files as they are")
		return exitError
	}
	names, err := writeNew(dir, files)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd migrate: %v\n", err)
		return exitError
	}
	r := migrated{V: 1, Files: names, Notes: []string{}}
	for _, n := range notes {
		r.Notes = append(r.Notes, n.String())
	}
	if o.JSON() {
		if err := json.NewEncoder(stdout).Encode(r); err != nil {
			fmt.Fprintf(stderr, "fwknopd migrate: %v\n", err)
			return exitError
		}
		return exitOK
	}
	for _, n := range r.Notes {
		fmt.Fprintln(stdout, n)
	}
	for _, name := range r.Files {
		fmt.Fprintf(stdout, "wrote %s\n", conf.Printable(name))
	}
	return exitOK
}

// Names of the files that migrate writes.
const (
	serverName = "fwknopd.conf"
	accessName = "access.conf"
)

// convert returns the files of the 2.6 dialect by name, what differs, and why they cannot
// take the place of the old ones.
func convert(l *Loaded) (texts, []conf.Note, conf.Problems) {
	server, access, notes := conf.Migrate(l.Values, l.Access)
	files := texts{serverName: server, accessName: access}
	s, _, a, problems := conf.Load(conf.Options{FS: files, Server: serverName, Access: accessName, Location: time.Local})
	var faults conf.Problems
	for _, p := range problems {
		if p.Severity == conf.Error {
			p.Text = "as a line of a 2.6 file: " + p.Text
			faults = append(faults, p)
		}
	}
	if faults.Failed() {
		return nil, nil, faults
	}
	if l.Server.P0fFile == "" || l.Server.P0fFile[0] == '+' { // the shipped file, which Load looks for
		s.P0fFile = l.Server.P0fFile
	}
	changes, faults := conf.Unlike(l.Server, s, l.Access, a)
	return files, append(notes, changes...), faults
}

// writeNew writes files with keys to a folder. None of them may be there.
func writeNew(dir string, files texts) (names []string, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, name := range names {
				os.Remove(name)
			}
		}
	}()
	for _, base := range []string{serverName, accessName} {
		name := filepath.Join(dir, base)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return names, err
		}
		names = append(names, name)
		_, err = io.WriteString(f, files[base])
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return names, err
		}
	}
	return names, nil
}

// texts are files in memory.
type texts map[string]string

// Read implements conf.FS.
func (t texts) Read(name string) ([]byte, conf.FileInfo, error) {
	text, ok := t[name]
	if !ok {
		return nil, conf.FileInfo{}, fs.ErrNotExist
	}
	return []byte(text), conf.FileInfo{Regular: true, Perm: 0o600}, nil
}

// List implements conf.FS.
func (texts) List(string) ([]string, error) { return nil, fs.ErrNotExist }

// Exists implements conf.FS.
func (t texts) Exists(name string) bool { _, ok := t[name]; return ok }
