package db

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ErrLocked is wrapped by Lock when another process serves the file.
var ErrLocked = errors.New("another bursar serve is using this file")

// Lock makes this process the one that serves the file at path. The kernel lets go of the lock when
// the process ends, however it ends. The returned function lets go earlier.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 200)
		n, _ := f.Read(holder)
		f.Close()
		return nil, fmt.Errorf("%w: %s (%s); stop it first, or set BURSAR_DB to another path", ErrLocked, path, strings.TrimSpace(string(holder[:n])))
	}
	host, _ := os.Hostname()
	if err := errors.Join(f.Truncate(0), writeAt(f, fmt.Sprintf("pid %d on %s\n", os.Getpid(), host))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
