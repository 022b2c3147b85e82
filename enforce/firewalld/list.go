package firewalld

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"fwknopd/enforce"
)

// List implements [enforce.Backend]: what firewalld has a rule for. A rule that the journal
// does not know is listed as one that has ended.
func (b *Backend) List(ctx context.Context) (gs []enforce.Grant, err error) {
	err = b.locked(ctx, nil, func(s *state) error {
		gs = slices.Collect(maps.Values(s.grants(b.journal.Grants())))
		enforce.SortGrants(gs)
		return nil
	})
	return gs, err
}

// Compare implements [enforce.Backend]. A grant is missing that one of the zones of its client
// lacks, as they are now.
func (b *Backend) Compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	err = b.locked(ctx, nil, func(s *state) error {
		open := s.grants(b.journal.Grants())
		diff = enforce.NewDifference(want, open, time.Now(), func(key string, part enforce.Grant) bool {
			body, err := bodyOf(part)
			has, known := open[key]
			return err != nil || known && !enforce.Outlives(part.Expires, has.Expires) && s.everywhere(b.route(s, part.Source()), body)
		})
		return nil
	})
	return diff, err
}

// Dump returns the rules of grants by zone, as firewalld lists them.
func (b *Backend) Dump(ctx context.Context) (text []byte, err error) {
	err = b.locked(ctx, nil, func(s *state) error {
		for _, zone := range s.zones {
			for _, r := range s.rules[zone] {
				text = fmt.Appendf(text, "%s: %s\n", zone, r)
			}
		}
		return nil
	})
	return text, err
}
