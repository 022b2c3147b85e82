package ingest

import (
	"os"

	"golang.org/x/sys/unix"
)

func statFile(f *os.File) (fileStat, error) {
	var st unix.Statx_t
	err := unix.Statx(fileFD(f), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return newFileStat(&st), err
}

func statPath(path string) (fileStat, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return newFileStat(&st), err
}

func newFileStat(st *unix.Statx_t) fileStat {
	return fileStat{
		fileID:  fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, st.Btime.Sec*1e9 + int64(st.Btime.Nsec)},
		size:    int64(st.Size),
		mtime:   st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}
