package conf

import (
	"path"
	"strings"
)

// locate says which file a relative name in file means: the one that both old daemons
// took, from the working directory, or where there is none the one beside file. The
// result is relative to the working directory like all names here.
func (ld *loader) locate(file, name string) string {
	if name == "" || path.IsAbs(name) {
		return name
	}
	here, there := path.Clean(name), path.Join(path.Dir(file), name)
	if file != "" && here != there && !ld.FS.Exists(here) && ld.FS.Exists(there) {
		return there
	}
	return here
}

// absolute makes a name that locate returned good for a process with another working
// directory.
func (ld *loader) absolute(name string) string {
	if ld.Dir == "" || name == "" || path.IsAbs(name) {
		return name
	}
	return path.Join(ld.Dir, name)
}

// locateValue makes the relative paths in a value absolute, once and for all: a daemon
// in the background has another working directory.
func (ld *loader) locateValue(val *Value) {
	file := val.Pos.File
	if val.Whence == FromArgv {
		file = ""
	}
	switch k := val.Keyword; {
	case !val.IsSet() || !k.isPath():
	case k.program() && !strings.Contains(val.Text, "/"): // looked for in PATH
	case k.Name == "ACCESS_CONF" && !ld.FS.Exists(val.Text): // looked for in FWKNOP_CONF_DIR
	case k.Kind == List:
		names := strings.Split(val.Text, ",")
		for i, name := range names {
			names[i] = ld.absolute(ld.locate(file, strings.TrimSpace(name)))
		}
		val.Text = strings.Join(names, ", ")
	default:
		val.Text = ld.absolute(ld.locate(file, val.Text))
	}
}

// isPath reports that the value names files, which may be relative. Most directories
// may not: state that moves with the working directory is lost.
func (k *Keyword) isPath() bool {
	switch k.Name {
	case "ACCESS_FOLDER", "GPG_DEFAULT_HOME_DIR", "GPG_KEY_FILE":
		return true
	}
	return k.Kind == FilePath
}

// program reports that the value names a program.
func (k *Keyword) program() bool {
	return strings.HasSuffix(k.Name, "Cmd") || strings.HasSuffix(k.Name, "_EXE") || k.Name == "GPG_PATH"
}
