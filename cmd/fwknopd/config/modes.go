package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
)

// checkModes checks owner and mode of the files that the configuration names and the
// daemon reads as root, and of the folders above them.
func (l *Loaded) checkModes() conf.Problems {
	var problems conf.Problems
	for _, name := range l.filesOfStanzas() {
		for _, fault := range safepath.Check(name) {
			problems = append(problems, conf.Problem{Pos: conf.Pos{File: fault.Path}, Text: fault.Text})
		}
	}
	return append(append(problems, l.checkPrograms()...), l.checkStateDirs()...)
}

// checkPrograms warns of programs that the daemon runs as root and others can replace.
func (l *Loaded) checkPrograms() (problems conf.Problems) {
	s := l.Server
	names := []string{s.FirewallExe, s.IPTablesExe, s.IPFWExe, s.GPGExe, s.Shell, s.SudoExe, s.MailExe, s.SendmailExe}
	if l.Access != nil {
		for i := range l.Access.Stanzas {
			if g := l.Access.Stanzas[i].GPG; g != nil {
				names = append(names, g.Exe)
			}
		}
	}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			continue // looked for in the PATH of root
		}
		for _, fault := range safepath.Check(name) {
			problems = append(problems, conf.Problem{Pos: conf.Pos{File: fault.Path}, Severity: conf.Warning,
				Text: fault.Text + " (" + name + " is run as root)"})
		}
	}
	return problems
}

// checkStateDirs warns of folders for what the daemon writes in which others can put files
// of theirs.
func (l *Loaded) checkStateDirs() (problems conf.Problems) {
	s := l.Server
	for _, dir := range []string{s.LogDir, s.RunDir, s.StateDir, s.ErrDir, filepath.Dir(s.DigestFile), filepath.Dir(s.PIDFile)} {
		if !filepath.IsAbs(dir) {
			continue
		}
		f, _, own, err := safepath.Open(dir)
		if err != nil {
			continue // it will be made
		}
		f.Close()
		for _, fault := range own {
			problems = append(problems, l.stateDirProblem(dir, fault))
		}
	}
	return problems
}

// stateDirProblem names what follows if it is the folder of the seen messages.
func (l *Loaded) stateDirProblem(dir string, fault safepath.Fault) conf.Problem {
	if l.Server.DigestPersistence && dir == filepath.Dir(l.Server.DigestFile) {
		at := l.Values.Place("DIGEST_FILE")
		return conf.Problem{Pos: at.Pos, Keyword: at.Name, Severity: conf.Warning,
			Text: dir + " " + fault.Text + "; if another user removes the file, all messages sent until the daemon notices are refused"}
	}
	return conf.Problem{Pos: conf.Pos{File: fault.Path}, Severity: conf.Warning,
		Text: "the daemon writes its files here, and the folder " + fault.Text}
}

// filesOfStanzas returns the signatures, shadow files and OpenPGP keys that the stanzas
// need.
func (l *Loaded) filesOfStanzas() (names []string) {
	if l.Access == nil {
		return nil
	}
	if name := strings.TrimPrefix(l.Server.P0fFile, "+"); name != "" && l.Access.WantsSystem() {
		names = append(names, name)
	}
	for i := range l.Access.Stanzas {
		st := &l.Access.Stanzas[i]
		if st.AuthMethod == conf.AuthCrypt {
			names = append(names, st.ShadowFile)
		}
		switch g := st.GPG; {
		case g == nil:
		case len(g.KeyFiles) > 0:
			names = append(names, g.KeyFiles...)
		case g.HomeDir != "":
			names = append(names, homeFiles(g.HomeDir)...)
		}
	}
	return names
}

// homeFiles returns a home of OpenPGP keys and the files in it. One that cannot be read is
// reported where its keys are loaded.
func homeFiles(home string) []string {
	names := []string{home}
	entries, _ := os.ReadDir(home)
	for _, e := range entries {
		if e.Type()&(fs.ModeSocket|fs.ModeNamedPipe) == 0 { // sockets of gpg-agent
			names = append(names, filepath.Join(home, e.Name()))
		}
	}
	return names
}

// unique drops problems that are reported more than once, as those of a folder with
// several files.
func unique(problems conf.Problems) conf.Problems {
	seen := make(map[conf.Problem]bool)
	kept := problems[:0]
	for _, p := range problems {
		if !seen[p] {
			kept = append(kept, p)
		}
		seen[p] = true
	}
	return kept
}
