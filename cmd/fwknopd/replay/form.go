package replay

import (
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
)

// A form is what --format asks for.
type form uint8

const (
	textForm form = iota
	jsonForm
	ecsForm
)

func formOf(o *cli.Options) form {
	switch {
	case o.JSON():
		return jsonForm
	case o.ECS():
		return ecsForm
	}
	return textForm
}

// observer is this program, which does not say on which host: packets may have been recorded
// on another one.
var observer = report.Observer{Version: cli.Release}

// appendObject appends an object in the form, which is not textForm, with its newline.
func (f form) appendObject(b, object []byte, message string) []byte {
	if f == ecsForm {
		return append(report.AppendECS(b, object, message, observer), '\n')
	}
	return append(append(b, object...), '\n')
}

// appendEntry appends a decision, or the end of a grant.
func (f form) appendEntry(b []byte, e *report.Entry) []byte {
	switch f {
	case textForm:
		return report.AppendLine(b, e)
	case jsonForm:
		return append(report.AppendJSON(b, e), '\n')
	}
	return f.appendObject(b, report.AppendJSON(nil, e), string(report.AppendText(nil, e)))
}

// appendDifference appends the decisions of two configurations.
func (f form) appendDifference(b []byte, then, now *report.Entry) []byte {
	if f == textForm {
		b = report.AppendLine(append(b, "- "...), now)
		return report.AppendLine(append(b, "+ "...), then)
	}
	return f.appendObject(b, report.AppendDifferenceJSON(nil, then, now), string(report.AppendText(nil, then)))
}

// appendEvent appends an event of the monitor; name is the NAME of its stanza.
func (f form) appendEvent(b []byte, ev *monitor.Event, name string) []byte {
	if f == textForm {
		return report.AppendEvent(b, ev)
	}
	return f.appendObject(b, report.EventJSON(ev, name), report.EventText(ev, ""))
}
