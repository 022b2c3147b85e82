package conf

import (
	"encoding/json"
	"fmt"
)

// A printedProblem is the JSON form of a [Problem]. Members may be added, never removed or
// changed.
type printedProblem struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Keyword  string `json:"keyword,omitempty"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Hint     string `json:"hint,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (p Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(printedProblem{p.Pos.File, p.Pos.Line, p.Keyword, p.Severity.String(), p.Text, p.Hint})
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Problem) UnmarshalJSON(text []byte) error {
	var printed printedProblem
	if err := json.Unmarshal(text, &printed); err != nil {
		return err
	}
	*p = Problem{Pos: Pos{File: printed.File, Line: printed.Line}, Keyword: printed.Keyword, Text: printed.Text, Hint: printed.Hint}
	for _, s := range []Severity{Error, Warning, Notice} {
		if s.String() == printed.Severity {
			p.Severity = s
			return nil
		}
	}
	return fmt.Errorf("no severity: %.20q", printed.Severity)
}
