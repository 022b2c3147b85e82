package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unread is the place of a partition of which the group has none.
var unread = kgo.NewOffset().AtStart()

// adjust sets where partitions begin of which the group has no place: where KAFKA_START says if it
// has none of the topic at all, and else at their start, since the partition is newer than the group.
// A place at the end is committed at once: what comes before the first record that is decided by
// must not be passed over after a restart.
func (f *follower) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	fresh := make(map[string][]int32)
	for topic, partitions := range offsets {
		for p, o := range partitions {
			if o.EpochOffset().Offset < 0 {
				fresh[topic] = append(fresh[topic], p)
			}
		}
	}
	if len(fresh) == 0 || f.conf.Earliest {
		f.noteStarts(fresh, "start (KAFKA_START earliest)")
		return offsets, nil
	}
	ends, err := f.ends(ctx, fresh)
	if err != nil {
		return nil, err
	}
	for topic, partitions := range ends {
		for p, o := range partitions {
			offsets[topic][p] = kgo.NewOffset().At(o.Offset)
		}
	}
	if len(ends) > 0 {
		go f.commitStarts(ctx, ends)
	}
	return offsets, nil
}

// ends returns the ends of the partitions that are to be read from there.
func (f *follower) ends(ctx context.Context, fresh map[string][]int32) (map[string]map[int32]kgo.EpochOffset, error) {
	admin := kadm.NewClient(f.client)
	committed, err := admin.FetchOffsets(ctx, f.conf.Group)
	if err != nil {
		return nil, fmt.Errorf("offsets of the group: %w", err)
	}
	grown := make(map[string][]int32)
	ends := make(map[string]map[int32]kgo.EpochOffset)
	for topic, partitions := range fresh {
		if len(committed[topic]) > 0 {
			grown[topic] = partitions
			continue
		}
		listed, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			return nil, fmt.Errorf("the end of %s: %w", topic, err)
		}
		ends[topic] = make(map[int32]kgo.EpochOffset)
		for _, p := range partitions {
			end, ok := listed.Lookup(topic, p)
			if !ok || end.Err != nil {
				return nil, fmt.Errorf("the end of %s is not known: %w", partitionName(topic, p), end.Err)
			}
			ends[topic][p] = kgo.EpochOffset{Epoch: -1, Offset: end.Offset}
		}
	}
	f.noteStarts(grown, "start, since they are newer than the group")
	for topic := range grown {
		delete(fresh, topic)
	}
	f.noteStarts(fresh, "end (KAFKA_START latest)")
	return ends, nil
}

// commitStarts commits the places at which partitions begin.
func (f *follower) commitStarts(ctx context.Context, places map[string]map[int32]kgo.EpochOffset) {
	f.client.CommitOffsetsSync(ctx, places, nil) // what fails here is tried again with the first record
}

// noteStarts says where partitions begin.
func (f *follower) noteStarts(partitions map[string][]int32, where string) {
	if names := namesOf(partitions); len(names) > 0 {
		f.out.Note(fmt.Sprintf("the group %s has no place in %s, which it reads from the %s", f.conf.Group, some(names), where))
	}
}

// some lists the first names.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
