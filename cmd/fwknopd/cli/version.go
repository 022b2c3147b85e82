package cli

import (
	"encoding/json"
	"io"
	"runtime"
)

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
