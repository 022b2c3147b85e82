package pipe

import (
	"context"
	"errors"
	"io"
	"testing"

	"fwknopd/ingest"
	"fwknopd/parse"
)

// script is a source whose Next returns these errors in turn.
type script []error

func (s *script) Next(_ context.Context, ev *parse.Event) error {
	err := (*s)[0]
	*s = (*s)[1:]
	ev.TTL++
	return err
}
func (s *script) Buffered() bool      { return false }
func (s *script) Stats() ingest.Stats { return ingest.Stats{} }
func (s *script) Close() error        { return nil }

func TestRun(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name    string
		answers script
		stop    error
		steps   int
		want    error
	}{
		{"end", script{io.EOF}, nil, 0, nil},
		{"events and skips", script{nil, parse.ErrSkip, nil, io.EOF}, nil, 2, nil},
		{"source fails", script{nil, broken}, nil, 1, broken},
		{"torn is not the end", script{nil, io.ErrUnexpectedEOF}, nil, 1, io.ErrUnexpectedEOF},
		{"step fails", script{nil, nil}, broken, 1, broken},
	}
	for _, tt := range tests {
		n := 0
		err := Run(t.Context(), &tt.answers, func(*parse.Event) error { n++; return tt.stop })
		if !errors.Is(err, tt.want) || n != tt.steps {
			t.Errorf("%s: %d steps, %v", tt.name, n, err)
		}
	}
}
