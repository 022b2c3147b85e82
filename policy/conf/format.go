package conf

import "strings"

// Format writes what files and the command line gave as a file of the same
// generation: reading it back gives the same values. With redact, keys are replaced
// and the result only shows the shape of the file.
func (v *Values) Format(redact bool) string {
	var b strings.Builder
	for _, val := range v.All() {
		if val.IsSet() {
			v.line(&b, val, redact)
		}
	}
	return b.String()
}

// line writes one value. The spelling is kept: it may be what shows the generation.
func (v *Values) line(b *strings.Builder, val *Value, redact bool) {
	b.WriteString(val.Name)
	if v.File == AccessFile && v.Generation == V1 {
		b.WriteByte(':')
	}
	b.WriteByte(' ')
	switch {
	case val.Text == "":
		b.WriteString(NoValue)
	case redact:
		b.WriteString(val.String())
	default:
		b.WriteString(val.Text)
	}
	if v.File == ServerFile || v.Generation == V1 {
		b.WriteByte(';')
	}
	b.WriteByte('\n')
}

// Format writes all stanzas as one file, what was included in its place.
func (a *Access) Format(redact bool) string {
	var b strings.Builder
	for i := range a.Stanzas {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(a.Stanzas[i].Values.Format(redact))
	}
	return b.String()
}
