// Package setup implements fwknopd init: it protects a port with a stanza of its own, and
// says what the client needs.
package setup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/doctor"
	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/cmd/fwknopd/wholefile"
	"fwknopd/policy/conf"
)

const (
	defaultDir  = "/etc/fwknop"
	defaultName = "client"
	noServer    = "SERVER" // stands for an address that is not known
)

// A Setup implements fwknopd init.
type Setup struct {
	// Firewall returns lines on where grants would be opened on this host, and what would
	// still drop the packets.
	Firewall func(*config.Loaded) []string
}

// Run runs init with its arguments and returns the exit code: 0, 1, or 2 for a usage error.
func (s Setup) Run(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Init, args, stdout, stderr)
	if o == nil {
		return code
	}
	r := &run{Setup: s, Options: o, stdout: stdout, stderr: stderr, dir: cmp.Or(o.Dir, defaultDir), name: cmp.Or(o.Name, defaultName)}
	if err := r.checkOptions(); err != nil {
		return cli.Init.Refuse(stderr, err)
	}
	act := r.add
	if o.Remove != "" {
		act = r.remove
	}
	if err := r.exclusively(act); err != nil {
		fmt.Fprintf(stderr, "fwknopd init: %v\n", err)
		return 1
	}
	return 0
}

// A run is one run of init.
type run struct {
	Setup
	*cli.Options
	stdout, stderr io.Writer
	dir, name      string

	server, access         string // paths
	serverText, accessText string // what stands there; "" if there is no file
}

func (r *run) checkOptions() error {
	switch {
	case len(r.Operands) > 0:
		return fmt.Errorf("does not take %q", r.Operands[0])
	case r.Remove == "" && r.Port == "" && len(r.GuardForward) == 0:
		return errors.New("--port tcp/22 or --remove NAME is wanted")
	}
	for _, option := range []string{"totp", "port", "prefix", "guard-forward"} {
		if r.Remove != "" && r.Set(option) {
			return fmt.Errorf("--remove and --%s exclude each other", option)
		}
	}
	if err := conf.CheckName(cmp.Or(r.Remove, r.name)); err != nil {
		return err
	}
	return r.checkValues()
}

// checkValues checks what is written, and sets the ports of the stanza.
func (r *run) checkValues() error {
	r.GuardForward = spelled(r.GuardForward)
	switch {
	case r.Set("guard-forward") && len(r.GuardForward) == 0:
		return errors.New("--guard-forward: no port")
	case r.Set("prefix") && r.Prefix == "":
		return errors.New("--prefix: no length")
	}
	r.Port = offered(r.Port, r.GuardForward)
	for option, value := range map[string]string{"port": r.Port, "for": r.For, "server": r.SendTo, "interface": r.Interface, "prefix": r.Prefix} {
		if strings.ContainsAny(value, "\r\n#;") {
			return fmt.Errorf("--%s: %q is no value", option, value)
		}
	}
	return nil
}

// exclusively reads what stands in the folder and calls act, one process at a time. A new
// folder is for its owner only.
func (r *run) exclusively(act func() error) error {
	if !r.DryRun && r.Remove == "" {
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return err
		}
	}
	if dir, err := os.Open(r.dir); err == nil {
		defer dir.Close()
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
			return fmt.Errorf("lock %s: %w", r.dir, err)
		}
	}
	err := r.read()
	if err == nil {
		err = act()
	}
	return cli.Rights(err)
}

// read reads what stands in the folder.
func (r *run) read() (err error) {
	r.server, r.access = filepath.Join(r.dir, "fwknopd.conf"), filepath.Join(r.dir, "access.conf")
	if old := filepath.Join(r.dir, "fwknop.conf"); exists(old) {
		r.server = old
	}
	if r.serverText, err = readIfThere(r.server); err != nil {
		return err
	}
	r.accessText, err = readIfThere(r.access)
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func readIfThere(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// load loads the configuration as it would be with these texts.
func (r *run) load(server, access string) (*config.Loaded, conf.Problems) {
	return config.Load(r.loadOptions(server, access))
}

func (r *run) loadOptions(server, access string) config.Options {
	return config.Options{Config: r.server, Access: r.access, StrictModes: true,
		FS: overlay{config.Disk{}, map[string]string{r.server: server, r.access: access}}}
}

// An overlay has files that are not written yet.
type overlay struct {
	config.Disk
	texts map[string]string
}

// Read implements conf.FS.
func (o overlay) Read(name string) ([]byte, conf.FileInfo, error) {
	text, ours := o.texts[name]
	if !ours {
		return o.Disk.Read(name)
	}
	_, info, err := o.Disk.Read(name) // owner and mode of what is to be replaced count
	if errors.Is(err, fs.ErrNotExist) {
		info, err = conf.FileInfo{Regular: true, Perm: 0o600}, nil
	}
	return []byte(text), info, err
}

// add adds the stanza, and a server file if there is none.
func (r *run) add() error {
	if err := r.checkClient(); err != nil {
		return err
	}
	server, err := r.serverWith()
	if err != nil {
		return err
	}
	keys := secrets{Keys: keygen.Keys{Key: keygen.Base64(keygen.DefaultLen), HMACKey: keygen.Base64(2 * keygen.DefaultLen)}}
	if r.TOTP {
		keys.totp = keygen.TOTPSecret()
	}
	stanza := r.stanzaText(keys)
	if hasStanza(r.accessText) {
		switch had, err := r.existing(&server, stanza); {
		case err != nil:
			return err
		case had != nil:
			return r.keep(&server, had)
		}
	}
	access := added(r.accessText, stanza)
	l, problems := r.load(server.text, access)
	config.Print(r.stderr, problems)
	if problems.Failed() {
		return errors.New("nothing was written: the configuration with the new stanza would be refused")
	}
	if err := r.change(&server, access, l); err != nil || r.DryRun {
		return err
	}
	doctor.PrintFirewall(r.stdout, r.Firewall(l), l)
	if err := r.tellClient(l, r.find(l, r.name)); err != nil {
		return err
	}
	r.tellNext(l, &server)
	return nil
}

// keep leaves a stanza that is there already, and writes what the server file lacks.
func (r *run) keep(server *serverFile, had *conf.Stanza) error {
	off, rest := "", "; nothing is changed"
	if !had.Enabled {
		off = ", which is off (ENABLED N)"
	}
	if len(server.set) > 0 {
		rest = "; it is left as it is"
	}
	fmt.Fprintf(r.stdout, "%s has the stanza %s already%s%s\n", had.Pos, r.name, off, rest)
	l, problems := r.load(server.text, r.accessText)
	if problems.Failed() {
		config.Print(r.stderr, problems)
		return errors.New("nothing was written")
	}
	if len(server.set) > 0 {
		if err := r.change(server, r.accessText, l); err != nil {
			return err
		}
	}
	if err := r.tellClient(l, had); err != nil || len(server.set) == 0 || r.DryRun {
		return err
	}
	r.tellNext(l, server)
	return nil
}

// change writes the files, or with --dry-run says what would be written, and says what the
// settings mean in l.
func (r *run) change(server *serverFile, access string, l *config.Loaded) error {
	act := r.write
	if r.DryRun {
		act = r.preview
	}
	if err := act(server, access); err != nil {
		return err
	}
	if whom := config.GrantedTo(r.find(l, r.name)); whom != "" {
		fmt.Fprintf(r.stdout, "the stanza %s %s\n", r.name, whom)
	}
	if guard := config.Guard(l.Server); guard != "" && len(r.GuardForward) > 0 {
		fmt.Fprintln(r.stdout, guard)
	}
	return nil
}

// existing returns the stanza of the name that stands in access.conf; nil if there is none.
// It is an error if that one allows something else than the new one would, or if the files
// are not of the dialect that init writes.
func (r *run) existing(server *serverFile, stanza string) (*conf.Stanza, error) {
	l, problems := r.load(cmp.Or(r.serverText, server.text), r.accessText)
	if problems.Failed() {
		config.Print(r.stderr, problems)
		return nil, r.errRefused()
	}
	if l.Access.Dialect != conf.C26 && len(l.Access.Stanzas) > 0 {
		return nil, fmt.Errorf("%s is of the dialect of %s, init writes that of 2.6: give another folder with --dir", r.access, l.Access.Dialect)
	}
	had := r.find(l, r.name)
	if had == nil {
		return nil, nil
	}
	alone, problems := r.load(server.text, stanza)
	if problems.Failed() {
		config.Print(r.stderr, problems)
		return nil, errors.New("nothing was written")
	}
	wanted := &alone.Access.Stanzas[0]
	for keyword, equal := range map[string]bool{
		"SOURCE": reflect.DeepEqual(had.Source, wanted.Source), "OPEN_PORTS": slices.Equal(had.OpenPorts, wanted.OpenPorts),
		"REQUIRE_AUTH_METHOD": !r.TOTP || had.AuthMethod == wanted.AuthMethod,
		"GRANT_PREFIX":        r.Prefix == "" || had.GrantPrefix == wanted.GrantPrefix,
	} {
		if !equal {
			return nil, fmt.Errorf("%s has a stanza %s with another %s; choose another --name, or remove it with fwknopd init --remove %[2]s", had.Pos, r.name, keyword)
		}
	}
	return had, nil
}

// find returns the stanza of a name in access.conf itself, also one that is off; nil if there is
// none.
func (r *run) find(l *config.Loaded, name string) *conf.Stanza {
	for st := range l.Access.All() {
		if st.Name == name && st.Pos.File == r.access {
			return st
		}
	}
	return nil
}

// preview prints what would be written, without keys.
func (r *run) preview(server *serverFile, access string) error {
	switch {
	case r.serverText == "":
		fmt.Fprintf(r.stdout, "would write %s (interface %s, as %s):\n%s", r.server, server.intf, server.why, server.text)
	default:
		for _, s := range server.set {
			fmt.Fprintf(r.stdout, "would set %s to %s in %s\n", s.keyword, s.value, r.server)
		}
	}
	if access == r.accessText {
		return nil
	}
	keys := secrets{Keys: keygen.Keys{Key: "(a fresh key)", HMACKey: "(a fresh key)"}}
	if r.TOTP {
		keys.totp = "(a fresh secret)"
	}
	_, err := fmt.Fprintf(r.stdout, "would add to %s:\n%s", r.access, r.stanzaText(keys))
	return err
}

// write writes what changed.
func (r *run) write(server *serverFile, access string) error {
	if server.text != r.serverText {
		if err := wholefile.Update(r.server, []byte(server.text), 0o666); err != nil {
			return err
		}
		if server.intf != "" {
			fmt.Fprintf(r.stdout, "wrote %s: interface %s, as %s\n", r.server, server.intf, server.why)
		}
		for _, s := range server.set {
			fmt.Fprintf(r.stdout, "set %s to %s in %s\n", s.keyword, s.value, r.server)
		}
	}
	if access != r.accessText {
		if err := wholefile.Update(r.access, []byte(access), 0o660); err != nil {
			return err
		}
		if r.Remove == "" {
			opens := "opens"
			if strings.Contains(r.Port, ",") {
				opens = "open"
			}
			fmt.Fprintf(r.stdout, "wrote the stanza %s to %s: %s %s for 30 s\n", r.name, r.access, r.Port, opens)
		}
	}
	return nil
}

// runningDaemon returns the process that runs with this configuration, 0 if there is none.
func runningDaemon(l *config.Loaded) int {
	pid, err := pidfile.Owner(l.Server.PIDFile)
	if err != nil {
		return 0
	}
	return pid
}

// tellNext says how the daemon takes the change over.
func (r *run) tellNext(l *config.Loaded, server *serverFile) {
	files := fmt.Sprintf(" -c %s -a %s", r.server, r.access)
	if r.dir == defaultDir {
		files = ""
	}
	if pid := runningDaemon(l); pid > 0 {
		fmt.Fprintf(r.stdout, "next: the daemon (pid %d) loads a changed configuration by itself; kill -HUP %[1]d does so now\n", pid)
		if server.was == nil {
			return
		}
		for _, keyword := range l.Values.Changed(server.was.Values) {
			fmt.Fprintf(r.stdout, "then: %s counts from the next start on: %s%s\n", keyword, control.HowToRestart, files)
		}
		return
	}
	fmt.Fprintf(r.stdout, "next: see what stands in the way: fwknopd doctor%s\n", files)
	fmt.Fprintf(r.stdout, "then: start the daemon: fwknopd%s\n", files)
}
