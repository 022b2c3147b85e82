package cli

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"fwknopd/fixtures/golden"
)

//go:embed client.man.head
var clientHead string

//go:embed client.man.tail
var clientTail string

// TestClientManIsUpToDate: fwknop(8) has the options of the table.
func TestClientManIsUpToDate(t *testing.T) {
	var b strings.Builder
	b.WriteString(clientHead)
	b.WriteString(".Sh OPTIONS\n.Bl -tag -width Ds\n")
	var without []string
	for d := range Client.rows() {
		if d.help != "" {
			writeOption(&b, d)
		}
		if d.kind == ignored || d.kind == ignoredText {
			without = append(without, ".Fl -"+d.name)
		}
	}
	fmt.Fprintf(&b, ".El\n.Pp\nAccepted for old scripts, without effect:\n%s .\n", strings.Join(without, " ,\n"))
	b.WriteString(clientTail)
	golden.Compare(t, "../../fwknop/man/fwknop.8", []byte(b.String()))
}
