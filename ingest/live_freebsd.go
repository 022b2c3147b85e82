package ingest

import (
	"context"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

const (
	// bpfDevice gives a new descriptor of the packet filter each time it is opened.
	bpfDevice = "/dev/bpf"
	// bpfBuffer is what one read may bring; the kernel holds two of them, and takes
	// debug.bpf_maxbufsize for more than that.
	bpfBuffer = 512 << 10
	// bpfProgram is BPF_MAXINSNS. Longer filters run in this process only.
	bpfProgram = 512
)

// The header that bpfFrame reads is that of 64-bit systems.
var _ = [1]struct{}{}[unix.SizeofBpfHdr-32]

// isCapture is nil: bpf(4) is opened in no time.
var isCapture func(*Spec, *os.File) bool

// openCapture opens the descriptor of a [Live] for a process that may not: see
// LiveOptions.Socket. Its interface and filter are locked.
func openCapture(name string, opt LiveOptions) (*os.File, error) {
	w, err := wireOf(name)
	if err != nil {
		return nil, err
	}
	return w.listen(opt)
}

// A wire is an interface.
type wire struct{ *net.Interface }

func wireOf(name string) (wire, error) {
	if name == AnyInterface {
		return wire{}, errNotHere
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return wire{}, errNoInterface
	}
	return wire{ifi}, nil
}

// listen opens the packet filter as set in opt. It is for reading only.
func (w wire) listen(opt LiveOptions) (*os.File, error) {
	fd, err := unix.Open(bpfDevice, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: bpfDevice, Err: err}
	}
	if err := w.prepare(fd, opt); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bpf", err)
	}
	return os.NewFile(uintptr(fd), w.Name), nil
}

// prepare binds the descriptor to the interface, with its filter in place before the
// first packet, and locks it.
func (w wire) prepare(fd int, opt LiveOptions) error {
	if _, err := syscall.SetBpfBuflen(fd, bpfBuffer); err != nil {
		return err
	}
	if err := syscall.SetBpfInterface(fd, w.Name); err != nil {
		return err
	}
	if err := syscall.SetBpfImmediate(fd, 1); err != nil {
		return err
	}
	if opt.Promiscuous {
		if err := syscall.SetBpfPromisc(fd, 1); err != nil {
			return err
		}
	}
	if !opt.AnyDirection {
		if err := unix.IoctlSetPointerInt(fd, unix.BIOCSSEESENT, 0); err != nil {
			return err
		}
	}
	if err := attach(fd, opt); err != nil {
		return err
	}
	if err := syscall.FlushBpf(fd); err != nil { // what came before the filter
		return err
	}
	return unix.IoctlSetInt(fd, unix.BIOCLOCK, 0)
}

// attach sets the filter where the kernel can run it.
func attach(fd int, opt LiveOptions) error {
	link, err := syscall.BpfDatalink(fd)
	if err != nil || !opt.Filter.Reads(parse.LinkType(link)) {
		return err
	}
	program, err := opt.Filter.LiveProgram(parse.LinkType(link), opt.Payload)
	if err != nil || len(program) > bpfProgram {
		return nil // not for this link type, or too long
	}
	code := make([]syscall.BpfInsn, len(program))
	for i, in := range program {
		code[i] = syscall.BpfInsn{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return syscall.SetBpf(fd, code)
}

// A liveReader reads the packet filter of a wire. What the kernel let through is filtered
// once more: it may not have run the filter.
type liveReader struct {
	readCanceler
	frames
	raw     syscall.RawConn
	snaplen int
	buffer  []byte // as large as the kernel's, which refuses other reads
	rest    []byte
	n       int
	err     error
	call    func(fd uintptr) bool // read(2), made once
	drops   uint32                // as last reported by the kernel, which wraps around
}

func newLiveReader(_ wire, conn socket, opt *LiveOptions) (*liveReader, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &liveReader{readCanceler: readCanceler{deadline: conn.SetReadDeadline}, raw: raw, snaplen: opt.snaplen()}
	r.filter = opt.Filter
	size, link := 0, 0
	e := raw.Control(func(fd uintptr) {
		if size, err = syscall.BpfBuflen(int(fd)); err == nil {
			link, err = syscall.BpfDatalink(int(fd))
		}
	})
	if e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("bpf", err)
	}
	if err := r.use(uint32(link)); err != nil {
		return nil, err
	}
	r.buffer = make([]byte, size)
	r.call = func(fd uintptr) bool {
		r.n, r.err = unix.Read(int(fd), r.buffer)
		return r.err != unix.EAGAIN && r.err != unix.EINTR
	}
	return r, nil
}

// next decodes the next frame, of n bytes.
func (r *liveReader) next(ctx context.Context, ev *parse.Event) (n int, err error) {
	for {
		if frame, size, at, rest, ok := bpfFrame(r.rest); ok {
			r.rest = rest
			frame = frame[:min(len(frame), r.snaplen)]
			return len(frame), r.frame(frame, size, at, ev)
		}
		r.rest = nil
		if err := r.watch(ctx); err != nil {
			return 0, err
		}
		if err := r.raw.Read(r.call); err != nil {
			return 0, r.cause(ctx, err)
		}
		if r.err != nil {
			return 0, os.NewSyscallError("read", r.err)
		}
		r.rest = r.buffer[:r.n]
	}
}

// pending reports whether next has a frame without a system call.
func (r *liveReader) pending() bool {
	_, _, _, _, ok := bpfFrame(r.rest)
	return ok
}

// dropped is how many frames the kernel dropped since the last call.
func (r *liveReader) dropped(fd int) uint64 {
	stats, err := syscall.BpfStats(fd)
	if err != nil {
		return 0
	}
	n := stats.Drop - r.drops
	r.drops = stats.Drop
	return uint64(n)
}

// clearError has nothing to do: a descriptor keeps no error.
func clearError(socket) {}
