package osreport

import (
	"context"
	"errors"
	"runtime"

	"fwknopd/ingest"
)

// inParallel reads the parts, of which there must be at least one, side by side and merges their
// results in order, so that the result is that of a single reader. read is called once for each
// part, which is closed then. An error of type [ingest.Unread], and the end of ctx, come with the
// result of what could be read.
func inParallel[T any](ctx context.Context, parts []*ingest.Reader, read func(context.Context, *ingest.Reader) (*T, error), merge func(total, part *T)) (*T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var total *T
	var unread ingest.Unread
	var first error
	unmerged := make(chan struct{}, maxUnmerged())
	for _, c := range startAll(ctx, parts, read, unmerged) {
		out := <-c
		var some ingest.Unread
		switch {
		case errors.As(out.err, &some):
			unread = append(unread, some...)
		case out.err != nil && first == nil:
			first = out.err
			cancel()
		}
		switch {
		case first != nil && !errors.Is(first, context.Canceled):
		case total == nil:
			total = out.result
		default:
			merge(total, out.result)
		}
		<-unmerged
	}
	if first == nil && unread != nil {
		first = unread
	}
	return total, first
}

// maxUnmerged is how many parts are read or wait to be merged at a time.
func maxUnmerged() int { return 2 * runtime.GOMAXPROCS(0) }

// An outcome is the result of one part.
type outcome[T any] struct {
	result *T
	err    error
}

// startAll reads the parts, as many at a time as there are processors. Each takes a place in
// unmerged, which bounds the memory that results take until they are merged.
func startAll[T any](ctx context.Context, parts []*ingest.Reader, read func(context.Context, *ingest.Reader) (*T, error), unmerged chan struct{}) []chan outcome[T] {
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	done := make([]chan outcome[T], len(parts))
	for i := range done {
		done[i] = make(chan outcome[T], 1)
	}
	go func() {
		for i, p := range parts {
			unmerged <- struct{}{}
			free <- struct{}{}
			go func() {
				defer p.Close()
				result, err := read(ctx, p)
				done[i] <- outcome[T]{result, err}
				<-free
			}()
		}
	}()
	return done
}
