package ingest

import (
	"os"

	"golang.org/x/sys/unix"
)

func statFile(f *os.File) (fileStat, error) {
	var st unix.Stat_t
	err := unix.Fstat(fileFD(f), &st)
	return newFileStat(&st), err
}

func statPath(path string) (fileStat, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return newFileStat(&st), err
}

func newFileStat(st *unix.Stat_t) fileStat {
	return fileStat{
		fileID:  fileID{st.Dev, st.Ino, max(st.Btim.Nano(), 0)}, // it is -1 s if not stored
		size:    st.Size,
		mtime:   st.Mtim.Nano(),
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}
