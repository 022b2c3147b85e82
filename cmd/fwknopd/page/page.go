// Package page writes a summary as an HTML page.
package page

import (
	"html/template"
	"io"

	"fwknopd/cmd/fwknopd/stats"
)

var skeleton = template.Must(template.New("page").Parse(`<!doctype html>
<title>fwknopd</title>
<pre>{{.}}</pre>
`))

// Write writes the page of s.
func Write(w io.Writer, s *stats.Summary) error {
	return skeleton.Execute(w, string(stats.AppendText(nil, s, stats.TextStyle{UTF8: true})))
}
