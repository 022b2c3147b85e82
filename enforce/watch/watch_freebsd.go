// Package watch reports changes of nf_tables, which FreeBSD does not have.
package watch

import (
	"context"
	"errors"
)

// A Generation is the number of the ruleset, see [NewGeneration].
type Generation struct{}

// NewGeneration always fails.
func NewGeneration(int) (*Generation, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Generation) Close() error { return nil }

// Now always fails.
func (*Generation) Now() (uint32, error) { return 0, errors.ErrUnsupported }

// NFTables always fails.
func NFTables(context.Context, int, func(uint32) bool, func(string) bool) (<-chan struct{}, error) {
	return nil, errors.ErrUnsupported
}
