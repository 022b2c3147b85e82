package replay

import (
	"errors"
	"fmt"
	"time"
)

// compareState compares the journal with what is known of it. If it may lack messages, the
// horizon refuses all that were sent until now.
func (j *Journal) compareState() error {
	if j.opts.State == "" {
		return nil
	}
	st, known, damaged, err := openState(j.opts.State)
	if err != nil {
		return err
	}
	j.state = st
	st.Path = j.path
	if known != nil {
		st.state = *known // until the journal is as it shall be
	} else if st.mark, err = j.sum.extend(j.file, j.size); err != nil {
		return err
	}
	why := ""
	switch {
	case damaged:
		why = fmt.Sprintf("%s, which describes how it was left, cannot be read", j.opts.State)
	case known == nil:
	default:
		j.newest = known.Newest
		j.exact = !known.crashed()
		if j.path != "" {
			why = known.lost(j.file, j.path, j.size)
		}
	}
	j.lost = why
	return nil
}

// verify returns an error if the file is not as this process left it. Records that were
// cut off are unknown to the next worker: then the horizon refuses all messages that were
// sent until now. A file without its name still has all of them.
func (j *Journal) verify() error {
	size, err := j.fileSize()
	if err != nil {
		return err
	}
	same := true
	if j.path != "" {
		if same, err = names(j.path, j.file); err != nil {
			return err
		}
	}
	switch {
	case size != j.size:
		why := fmt.Errorf("another program has changed it from %d to %d bytes", j.size, size)
		j.size = min(size, j.size)
		j.exact = true
		j.raiseHorizon(time.Now(), why.Error())
		return why
	case !same:
		j.notice("%s was removed or replaced: it is written again, no record is lost", j.path)
		return errors.New("it was removed or replaced")
	}
	return nil
}

// raiseHorizon refuses all messages that were sent until now, since their records may be
// lost, and reports it. If the newest message is known exactly, another one of this second is
// not refused.
func (j *Journal) raiseHorizon(now time.Time, why string) {
	if j.exact {
		now = now.Truncate(time.Second)
	}
	if h := horizonAt(now, j.newest); h.After(j.horizon) {
		j.horizon = h
	}
	if j.opts.Lost != nil {
		j.opts.Lost(j.path+": "+why, j.horizon)
	}
}

// begin notes that the journal is in use: after a crash of the machine it may lack what the
// disk had not kept. The flush takes as long as the disk needs; begun waits for it.
func (s *stateFile) begin() error {
	s.Open = true
	if err := s.save(); err != nil {
		return err
	}
	s.flushed = make(chan error, 1)
	go func() { s.flushed <- s.file.Sync() }()
	return nil
}

// begun returns when the note of begin is on disk.
func (s *stateFile) begun() error {
	if s == nil || s.flushed == nil {
		return nil
	}
	err := <-s.flushed
	if err != nil {
		s.flushed <- s.file.Sync() // for the next call
		return err
	}
	s.flushed = nil
	return nil
}

// saveState notes the size of the file. A failure is reported once: less is known of the
// journal then.
func (j *Journal) saveState() {
	if j.state == nil {
		return
	}
	m, err := j.sum.extend(j.file, j.size)
	if err == nil {
		j.state.Path, j.state.mark, j.state.Next, j.state.Newest, j.state.Boot = j.path, m, nil, j.newest, bootIDOnce()
		err = j.state.save()
	}
	if err != nil && !j.state.failed {
		j.notice("%s: %v", j.opts.State, err)
	}
	j.state.failed = err != nil
}

// announce notes the file that is about to replace the current one.
func (j *Journal) announce(next file, size int64) error {
	if j.state == nil {
		return nil
	}
	m, err := markOf(next, size)
	if err != nil {
		return err
	}
	j.state.Next = &m
	return j.state.save()
}

// closeState notes that the journal is complete.
func (j *Journal) closeState() error {
	if j.state == nil {
		return nil
	}
	unsure := j.state.begun() // also so that the file is not closed while it is flushed
	j.state.Open = false
	j.saveState()
	err := errors.Join(unsure, j.state.file.Sync())
	if closed := j.state.file.Close(); err == nil {
		err = closed
	}
	j.state = nil
	return err
}
