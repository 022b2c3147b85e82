package command

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A stream reads into a buffer what a program writes to a pipe. exec.Cmd does that too, but some time
// after the end of the program it leaves what it has not read yet: on a busy machine that may be all.
type stream struct {
	pipe *os.File
	to   *prefixBuffer
	done chan struct{} // closed when all ends of the pipe that are written to are
}

// connect gives cmd pipes for its output and returns their streams, one if both buffers are the same.
// After cmd was started, or not, the other ends have to be closed: its Stdout and Stderr.
func connect(cmd *exec.Cmd, stdout, stderr *prefixBuffer) (streams []*stream, err error) {
	if cmd.Stdout, streams, err = addStream(streams, stdout); err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	if stderr != stdout {
		if cmd.Stderr, streams, err = addStream(streams, stderr); err != nil {
			closeEnds(cmd)
			endAll(streams, time.Time{})
			return nil, err
		}
	}
	return streams, nil
}

func addStream(streams []*stream, to *prefixBuffer) (io.Writer, []*stream, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, streams, err
	}
	s := &stream{r, to, make(chan struct{})}
	go func() {
		defer close(s.done)
		io.Copy(s.to, s.pipe)
	}()
	return w, append(streams, s), nil
}

// closeEnds closes the ends of the pipes that are the program's.
func closeEnds(cmd *exec.Cmd) {
	for _, w := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		if f, ok := w.(*os.File); ok {
			f.Close() // the second time, of one for both, it fails
		}
	}
}

// endAll waits for the end of the streams of a program that has ended. After until only a child that has
// outlived the program has more to say.
func endAll(streams []*stream, until time.Time) {
	for _, s := range streams {
		s.pipe.SetReadDeadline(until)
		<-s.done
		s.drain()
		s.pipe.Close()
	}
}

// maxPipe is how much a pipe can hold of what a program wrote, bytes; see pipe(7).
const maxPipe = 1 << 20

// drain reads what is in the pipe. The program itself has ended, so that this is the rest of what it wrote.
func (s *stream) drain() {
	s.pipe.SetReadDeadline(time.Time{})
	raw, err := s.pipe.SyscallConn()
	if err != nil {
		return
	}
	part := make([]byte, 4<<10)
	raw.Read(func(fd uintptr) bool {
		for left := maxPipe; left > 0; {
			n, err := syscall.Read(int(fd), part)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 { // at the end, or nothing is there
				break
			}
			s.to.Write(part[:n])
			left -= n
		}
		return true
	})
}
