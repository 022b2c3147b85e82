package cli

import (
	"encoding/json"
	"io"
	"runtime"
	"slices"
	"strings"
)

// JSON reports whether --format asks for JSON of our own form, of which a command has one only.
func (o *Options) JSON() bool { return o.json || o.Format == "json" || o.Format == "jsonl" }

// ECS reports whether --format asks for objects of the Elastic Common Schema.
func (o *Options) ECS() bool { return o.Format == "ecs" }

// checkFormat applies --json and checks --format; those of -D are its own.
func (o *Options) checkFormat(c Command) error {
	if c == Digests {
		return nil // --format is that of the file, --json what is said of it
	}
	if o.json {
		if o.Format != "" && o.Format != "json" {
			return usagef("--json and --format %s exclude each other", o.Format)
		}
		o.Format = "json"
	}
	if row := c.findExact("format"); row != nil && o.Format != "" && !o.Dump && !slices.Contains(row.choices(), o.Format) {
		list, last := row.choices(), len(row.choices())-1
		return usagef("no format %q (%s or %s)", o.Format, strings.Join(list[:last], ", "), list[last])
	}
	if c == Daemon && o.JSON() {
		return o.checkActionJSON()
	}
	return nil
}

// checkActionJSON returns an error if there is no action with a JSON form.
func (o *Options) checkActionJSON() error {
	for d := range Daemon.rows() {
		switch {
		case !d.action || !o.set[d.name]:
		case d.noJSON:
			return usagef("--%s has no JSON form", d.name)
		default:
			return nil
		}
	}
	if o.KeyGen {
		return nil
	}
	return usagef("--format and --json go with an action, such as --Status; EVENT_LOG is the JSON of the daemon")
}

// PrintVersion prints the version of a program as --format asks. revision names the commit,
// text is the form for people.
func (o *Options) PrintVersion(w io.Writer, revision, text string) error {
	if !o.JSON() {
		_, err := io.WriteString(w, text)
		return err
	}
	return json.NewEncoder(w).Encode(struct {
		V        int    `json:"v"`
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Go       string `json:"go"`
		OS       string `json:"os"`
		Arch     string `json:"arch"`
	}{1, Release, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH})
}
